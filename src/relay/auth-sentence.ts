/**
 * One sentence for each reason why the relay could not log in upstream: what is wrong, and what to change.
 */
import type { Failure } from '../protocol/failure.ts';
import { replyText } from '../protocol/reply.ts';

const FIX = 'check SEALPOST_UPSTREAM_USER and SEALPOST_UPSTREAM_PASSWORD';

export function authSentence({ reason, reply, mechanism = 'AUTH' }: Failure & { kind: 'auth' }): string {
  if (reply !== undefined && reply.code < 500)
    return `The upstream does not log the relay in at present; it said: ${replyText(reply)}`;
  if (reply !== undefined) return `${refused(mechanism)}; it said: ${replyText(reply)}`;
  if (reason === 'no-common-mechanism')
    return `The upstream offers no way to log in that the relay knows; ${FIX} and SEALPOST_UPSTREAM_AUTH.`;
  if (reason.endsWith('-not-preparable'))
    return `The user name or password has characters that ${mechanism} cannot carry; ${FIX}.`;
  if (reason.startsWith('server-error')) return `${refused(mechanism)}.`;
  return `The upstream did not prove with ${mechanism} that it knows the password (${reason}); it may not be the real one, or it is broken.`;
}

/** Servers offer mechanisms that need another form of the password than the one they keep; a false one says the same. */
function refused(mechanism: string): string {
  const hint = /^(?:SCRAM|CRAM)-/.test(mechanism)
    ? `${FIX}, or, if it is surely the right server, try SEALPOST_UPSTREAM_AUTH=PLAIN`
    : FIX;
  return `The upstream refused the relay's credentials (${mechanism}), ${hint}`;
}
