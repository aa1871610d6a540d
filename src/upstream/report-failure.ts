/**
 * How the log is told that there is no hop.
 */
import type { Log } from '../log/log.ts';
import type { Failure } from '../protocol/failure.ts';

/** Where it was tried; the address is '' when no connection was made. */
export interface FailedAt {
  readonly hid: string;
  readonly host: string;
  readonly port: number;
  readonly address: string;
}

/** `hop.insecure` for a failure of TLS, `hop.refused` for any other of a hop. */
export function reportFailure(log: Log, at: FailedAt, failure: Failure): void {
  if (failure.kind === 'tls') {
    const { phase, resultType, reason } = failure;
    log.emit('hop.insecure', { ...at, phase, resultType, reason });
  } else if ('phase' in failure) {
    const reason = 'reason' in failure ? failure.reason : String(failure.reply.code);
    log.emit('hop.refused', { ...at, phase: failure.phase, failure: failure.kind, reason });
  }
}
