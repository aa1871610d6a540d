/**
 * Keeps what we sent out of what is shown of the server's answer.
 */
import { enhancedCode, type Reply } from '../../protocol/reply.ts';

/** A piece of a secret of this length is as bad as the whole. */
const TELLING_CHARACTERS = 8;

/** Some servers repeat the line that they did not like, or a part: a text with a secret in it is dropped, its codes are kept. */
export function withoutEcho(reply: Reply, secrets: readonly string[]): Reply {
  const text = reply.lines.join('\n').toLowerCase();
  const isEcho = secrets.some((secret) =>
    piecesOf(secret.toLowerCase()).some((piece) => text.includes(piece)),
  );
  return isEcho ? { code: reply.code, lines: [enhancedCode(reply) ?? ''] } : reply;
}

function piecesOf(secret: string): readonly string[] {
  if (secret.length <= TELLING_CHARACTERS) return secret === '' ? [] : [secret];
  const starts = Array.from({ length: secret.length - TELLING_CHARACTERS + 1 }, (_, index) => index);
  return starts.map((start) => secret.slice(start, start + TELLING_CHARACTERS));
}
