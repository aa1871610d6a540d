/**
 * How a failure is told: to the client in a reply, to the operator in a line of the log.
 *
 * Guarantees: whoever fails, in whatever phase, is told of by the same rules.
 */
import { describeError } from '../log/describe-error.ts';
import type { Log } from '../log/log.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { replyText, type Reply } from '../protocol/reply.ts';
import type { Spool } from '../spool/spool.ts';
import { asksRequireTls } from '../upstream/parameters.ts';
import type { RefusalHint } from '../upstream/target.ts';
import { failureReply, INTERNAL_ERROR, type TlsFailureReply } from './failure-reply.ts';
import { lostLogin } from './login-refusal.ts';
import type { Route } from './routes.ts';
import { isTransient } from './transient-failure.ts';
import { replyInWordsOf } from './upstream-words.ts';

/** What the client is told, and why. */
export interface Answer {
  readonly reply: Reply;
  /** Undefined for a success, and for a mistake of ours. */
  readonly failure?: Failure | undefined;
}

export interface Telling {
  readonly log: Log;
  readonly onTlsFailure: TlsFailureReply;
  /** Where there is one, what may pass by itself refuses nobody: the message is kept. */
  readonly spool?: Spool | undefined;
}

export interface TransactionIds {
  readonly sid: string;
  readonly tid: string;
  readonly hid: string | undefined;
}

/** Who sent a message. */
export interface MessageSource {
  /** IP address. */
  readonly client: string;
  /** Who has logged in; undefined for nobody in particular. */
  readonly user: string | undefined;
}

/** The transaction that failed. */
export interface Refused {
  readonly ids: TransactionIds;
  readonly source: MessageSource;
  /** Of MAIL. */
  readonly argument: PathArgument;
  /** Where it was to go, if that was known. */
  readonly route?: Route | undefined;
  readonly hints?: readonly RefusalHint[] | undefined;
  /** Content that came. */
  readonly octets?: number | undefined;
  /** Since it began. */
  readonly ms: number;
}

export function refuse(error: unknown, refused: Refused, { log, onTlsFailure, spool }: Telling): Answer {
  if (!(error instanceof RelayError)) {
    log.emit('internal.error', describeError(error));
    return { reply: INTERNAL_ERROR };
  }
  const { failure } = error;
  // RFC 8689 §4.2.1: what must go by TLS and cannot is returned, not tried again.
  const onTls = asksRequireTls(refused.argument) ? 'permanent' : onTlsFailure;
  const { route, hints } = refused;
  const reply =
    route?.isClients === true && failure.kind === 'auth'
      ? lostLogin(failure, onTls, hints)
      : replyInWordsOf(route?.name, failureReply(failure, onTls, hints));
  if (spool === undefined || !isTransient(failure)) report(failure, reply, refused, log);
  return { reply, failure };
}

function report(failure: Failure, reply: Reply, { ids, source, octets = 0, ms }: Refused, log: Log): void {
  if (failure.kind === 'outcome-unknown')
    return log.emit('transaction.unknown', { ...ids, ...source, reason: failure.reason, octets, ms });
  const phase = 'phase' in failure ? failure.phase : 'none';
  const words = { failure: failure.kind, phase, reply: replyText(reply) } as const;
  log.emit('transaction.refused', { ...ids, ...source, ...words, ms });
}
