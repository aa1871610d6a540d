/**
 * What came of the login on a port.
 */
import type { Failure } from '../protocol/failure.ts';
import { replyText } from '../protocol/reply.ts';
import type { LoginFinding } from './findings.ts';
import { shown } from './foreign-text.ts';
import { LoginNotTried } from './login-turns.ts';
import type { Subject } from './subject.ts';
import type { Outcome } from './verdict.ts';

export function loginFinding({ target, isWithheld }: Subject, outcome: Outcome): LoginFinding {
  const { failed, secured, mechanism } = outcome;
  if (target.credentials === undefined) return { outcome: isWithheld ? 'withheld' : 'none' };
  if (failed instanceof LoginNotTried) return { outcome: 'not-tried', detail: failed.detail };
  if (failed !== undefined && failed.kind !== 'unsupported') return refusal(failed);
  if (secured === undefined) return { outcome: 'not-reached' };
  return mechanism === undefined ? { outcome: 'not-needed' } : { outcome: 'accepted', mechanism };
}

function refusal(failed: Failure): LoginFinding {
  if (!('phase' in failed) || failed.phase !== 'auth') return { outcome: 'not-reached' };
  if (failed.kind !== 'auth') return { outcome: 'failed', detail: failed.reason };
  const { reply, reason } = failed;
  return { outcome: 'refused', detail: reply === undefined ? reason : shown(replyText(reply)) };
}
