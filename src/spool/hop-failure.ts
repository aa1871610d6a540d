/**
 * Tells failures of the way to the upstream from those of one message.
 */
import type { Failure, Phase } from '../protocol/failure.ts';

const MESSAGE_PHASES: ReadonlySet<Phase> = new Set(['mail', 'rcpt', 'data', 'body', 'final']);

/** Whether there was no hop to begin a transaction on: the next message will fare the same. */
export function isHopFailure(failure: Failure): boolean {
  if (failure.kind === 'capacity') return true;
  return 'phase' in failure && !MESSAGE_PHASES.has(failure.phase);
}
