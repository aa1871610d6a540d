/**
 * How the log is told that there is no hop, or one to another upstream than was wanted.
 */
import type { Log } from '../log/log.ts';
import type { Failure, Phase } from '../protocol/failure.ts';
import type { OpenHop } from './open-way.ts';
import { placeText } from './place-text.ts';
import type { Target } from './target.ts';
import { wayText } from './way.ts';

/** Where it was tried; the addresses are '' when no connection was made. */
export interface FailedAt {
  readonly hid: string;
  readonly host: string;
  readonly port: number;
  readonly address: string;
  readonly localAddress: string;
}

/** `hop.insecure` for a failure of TLS, `hop.refused` for any other of a hop. */
export function reportFailure(log: Log, at: FailedAt, failure: Failure): void {
  if (failure.kind === 'tls') {
    const { phase, resultType, reason } = failure;
    log.emit('hop.insecure', { ...at, phase, resultType, reason });
  } else if ('phase' in failure) {
    const { kind, phase } = failure;
    log.emit('hop.refused', { ...at, phase, failure: kind, reason: reasonOf(failure) });
  }
}

/** @param to what served instead of it */
export function reportFailover(log: Log, from: Target, failure: Failure, to: OpenHop): void {
  if (!('phase' in failure)) return;
  const { kind, phase } = failure;
  const resultType = failure.kind === 'tls' ? failure.resultType : undefined;
  const why = { failure: kind, phase, resultType, reason: reasonOf(failure) };
  log.emit('hop.failed-over', { hid: to.hid, ...wayText(to.way), from: placeText(from.place), ...why });
}

function reasonOf(failure: Extract<Failure, { readonly phase: Phase }>): string {
  return 'reason' in failure ? failure.reason : String(failure.reply.code);
}
