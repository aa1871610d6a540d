/**
 * Sentences about "the upstream" name the variables of the one without a name; here they name those of another.
 */
import type { Reply } from '../protocol/reply.ts';

/** @param name as in SEALPOST_UPSTREAM_<NAME>_URL; undefined for the upstream without a name */
export function inWordsOf(name: string | undefined, text: string): string {
  if (name === undefined) return text;
  const own = `SEALPOST_UPSTREAM_${name}`;
  return text
    .replaceAll(/\bSEALPOST_TLS_(CA_FILE|PIN_SHA256|SERVER_NAME)\b/g, `${own}_$1`)
    .replaceAll(/\bSEALPOST_(OAUTH_|PROVIDER\b)/g, `${own}_$1`)
    .replaceAll('sealpost login', `sealpost login ${name}`)
    .replaceAll(/\bSEALPOST_UPSTREAM_(USER|PASSWORD|AUTH)\b/g, `${own}_$1`)
    .replaceAll(/\bSEALPOST_UPSTREAM\b/g, `${own}_URL`);
}

export function replyInWordsOf(name: string | undefined, reply: Reply): Reply {
  return name === undefined ? reply : { ...reply, lines: reply.lines.map((line) => inWordsOf(name, line)) };
}
