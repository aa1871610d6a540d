/**
 * What a refusal of a known provider really means: one sentence more, after the provider's own words.
 *
 * Guarantees: code and text of the refusal stay as they are; at most one line is added, with the same codes.
 */
import type { Phase } from '../protocol/failure.ts';
import { enhancedCode, isRefusal, type Reply } from '../protocol/reply.ts';
import type { RefusalHint, Target } from '../upstream/target.ts';

/** What an upstream said, and to what. */
export interface Refused {
  readonly reply: Reply;
  readonly phase: Phase;
  /** At AUTH. */
  readonly mechanism?: string | undefined;
}

/** What is known of any of these upstreams. */
export function hintsOf(targets: readonly Target[]): readonly RefusalHint[] {
  return targets.flatMap(({ hints = [] }) => hints);
}

/** The sentence of the first hint that fits, if one does. */
export function hintFor(refused: Refused, hints: readonly RefusalHint[] | undefined): string | undefined {
  if (!isRefusal(refused.reply)) return undefined;
  return hints?.find((hint) => fits(hint, refused))?.sentence;
}

/** The reply with the sentence as its last line; a reply is one whole, so each line has its enhanced code (RFC 2034 §4). */
export function withHint(reply: Reply, sentence: string | undefined): Reply {
  if (sentence === undefined) return reply;
  const enhanced = enhancedCode(reply);
  const line = enhanced === undefined ? sentence : `${enhanced} ${sentence}`;
  return { code: reply.code, lines: [...reply.lines, line] };
}

function fits({ phases, login, code, enhanced, text }: RefusalHint, { reply, ...at }: Refused): boolean {
  return (
    (phases === undefined || phases.includes(at.phase)) &&
    (login === undefined || login === loginBy(at.mechanism)) &&
    (code === undefined || code === reply.code) &&
    (enhanced === undefined || enhanced === enhancedCode(reply)) &&
    (text === undefined || text.test(reply.lines.join(' ')))
  );
}

function loginBy(mechanism: string | undefined): RefusalHint['login'] {
  if (mechanism === undefined || mechanism === 'EXTERNAL') return undefined;
  return mechanism === 'XOAUTH2' || mechanism === 'OAUTHBEARER' ? 'token' : 'password';
}
