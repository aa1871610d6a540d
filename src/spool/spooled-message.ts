/**
 * A message that waits in the spool: its envelope, and what became of each recipient. The content lies beside it.
 */
import type { PathArgument } from '../protocol/path.ts';
import type { Reply } from '../protocol/reply.ts';

export interface SpooledMessage {
  /** The transaction's, as it stands in the trace header and the log. */
  readonly id: string;
  /** A bounce is a report of ours: it never makes another. */
  readonly kind: 'mail' | 'bounce';
  /** The upstream's name; undefined for the one that needs none. */
  readonly route: string | undefined;
  readonly sender: PathArgument;
  readonly recipients: readonly SpooledRecipient[];
  readonly octets: number;
  /** These three: milliseconds since 1970. */
  readonly arrivedAt: number;
  readonly expiresAt: number;
  readonly nextAttemptAt: number;
  /** Those that were begun, the client's own not counted. */
  readonly attempts: number;
  /** Whether the last attempt had no hop: when the upstream is back, there is no reason to wait longer. */
  readonly isHopless: boolean;
  /** Whether those who asked for it (NOTIFY=DELAY) were told that it takes time. */
  readonly isDelayTold: boolean;
}

export interface SpooledRecipient {
  readonly argument: PathArgument;
  readonly state: 'waiting' | 'delivered' | 'failed';
  readonly lastWord: LastWord;
  /** An attempt ended without a verdict: the next one may make a duplicate. */
  readonly mayHaveIt: boolean;
}

/** What was said last about a recipient. */
export interface LastWord {
  readonly reply: Reply;
  /** Whether the upstream said it; else it is ours, for why the upstream could not say anything. */
  readonly isUpstreams: boolean;
}

export function waitingRecipients({ recipients }: SpooledMessage): readonly SpooledRecipient[] {
  return recipients.filter(({ state }) => state === 'waiting');
}

/** After an attempt that nobody knows the end of. */
export function suspected(message: SpooledMessage): SpooledMessage {
  const recipients = message.recipients.map((one) =>
    one.state === 'waiting' ? { ...one, mayHaveIt: true } : one,
  );
  return { ...message, recipients };
}
