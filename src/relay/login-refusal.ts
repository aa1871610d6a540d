/**
 * What a client hears that wanted to log in at the upstream and could not: the upstream's own answer, where there is one.
 */
import type { Failure } from '../protocol/failure.ts';
import { ownReply, replyText, type Reply } from '../protocol/reply.ts';
import type { RefusalHint } from '../upstream/target.ts';
import { failureReply, mirrored, type TlsFailureReply } from './failure-reply.ts';
import { hintFor, withHint } from './refusal-hint.ts';

export interface LoginRefusal {
  readonly reply: Reply;
  /** Whether its name or password was wrong; else trying again may help. */
  readonly isWrong: boolean;
}

export function loginRefusal(
  failure: Failure,
  onTlsFailure: TlsFailureReply,
  hints: readonly RefusalHint[] = [],
): LoginRefusal {
  if (failure.kind !== 'auth') return { reply: failureReply(failure, onTlsFailure, hints), isWrong: false };
  const { reply, reason, mechanism = 'AUTH' } = failure;
  if (reply !== undefined) {
    const hint = hintFor({ reply, phase: 'auth', mechanism }, hints);
    return { reply: withHint(mirrored(reply, [454, '4.7.0']), hint), isWrong: reply.code >= 500 };
  }
  if (reason.endsWith('-not-preparable'))
    return wrong(`The user name or password has characters that ${mechanism} cannot carry.`);
  if (reason.startsWith('server-error')) return wrong('The upstream refused the user name or password.');
  const text =
    reason === 'no-common-mechanism'
      ? 'The upstream offers no way to log in with a user name and a password that the relay may use.'
      : `The upstream did not prove with ${mechanism} that it knows the password (${reason}).`;
  return { reply: ownReply([454, '4.7.0'], text), isWrong: false };
}

/** At MAIL, behind a login that the upstream had taken; a 535 would answer AUTH only. */
export function lostLogin(
  failure: Failure,
  onTlsFailure: TlsFailureReply,
  hints?: readonly RefusalHint[],
): Reply {
  const { reply, isWrong } = loginRefusal(failure, onTlsFailure, hints);
  if (!isWrong) return reply;
  const text = `The upstream does not take the user name and password of this client any more, log in again; it said: ${replyText(reply)}`;
  return ownReply([454, '4.7.0'], text);
}

function wrong(text: string): LoginRefusal {
  return { reply: ownReply([535, '5.7.8'], text), isWrong: true };
}
