/**
 * Failures are data: everything that can keep a message from being delivered, in one closed union.
 *
 * Guarantees: a `RelayError` always carries a `Failure`; relay/failure-reply.ts has a reply for each.
 */
import type { Reply } from './reply.ts';
import type { TlsResultType } from './tls-result.ts';

/** How far a hop or a transaction had come. */
export type Phase =
  | 'resolve'
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'handshake'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'final';

/** Phases of a transaction: the upstream's refusal of these is the client's to see. */
export type MailPhase = 'mail' | 'rcpt' | 'data' | 'body' | 'final';

/** What a client may ask for that an upstream may lack. */
export type Extension = '8BITMIME' | 'SMTPUTF8' | 'REQUIRETLS';

export type Failure =
  /** The hop could not be secured. `reason` is a code (Node's or OpenSSL's, or a word of ours), RFC 8460 §4.3 failure-reason-code. */
  | {
      readonly kind: 'tls';
      readonly phase: Phase;
      readonly resultType: TlsResultType;
      readonly reason: string;
    }
  /** The upstream wants no session with us: its greeting or its answer to EHLO is 4xx or 5xx. */
  | {
      readonly kind: 'session-refused';
      readonly phase: 'greeting' | 'ehlo';
      readonly reply: Reply;
      /** Whether the upstream itself said so; in clear anybody on the path may have. */
      readonly isInsideTls: boolean;
    }
  /** The upstream refused our credentials, or offers nothing we can present them with. */
  | {
      readonly kind: 'auth';
      readonly phase: 'auth';
      /** The code of its reply, or a word of ours. */
      readonly reason: string;
      readonly reply?: Reply;
      /** The one that was refused, or given up. */
      readonly mechanism?: string;
      /** What a token endpoint or a failure challenge says about it; printable and bounded. */
      readonly detail?: string;
    }
  /** The upstream refused MAIL, RCPT, DATA or the message. */
  | { readonly kind: 'refused'; readonly phase: MailPhase; readonly reply: Reply }
  /** What came is not SMTP, or not an answer to what was asked. */
  | { readonly kind: 'protocol'; readonly phase: Phase; readonly reason: string }
  | { readonly kind: 'dns'; readonly phase: 'resolve'; readonly reason: string }
  /** No TCP connection, or none that spoke in time. */
  | {
      readonly kind: 'unreachable';
      readonly phase: Phase;
      readonly reason: string;
      /** Whether the silence came after the handshake: then it is not for want of one. */
      readonly isInsideTls?: boolean;
    }
  /** The connection ended, or went silent, after it had spoken. */
  | { readonly kind: 'lost'; readonly phase: Phase; readonly reason: string }
  /** Lost between the end of the message and its verdict: it may have been delivered (RFC 5321 §4.5.3.2.6). */
  | { readonly kind: 'outcome-unknown'; readonly phase: 'final'; readonly reason: string }
  | { readonly kind: 'policy'; readonly subject: 'client' | 'sender' | 'recipient'; readonly reason: string }
  | { readonly kind: 'too-big'; readonly maxOctets: number }
  | { readonly kind: 'unsupported'; readonly extension: Extension }
  | { readonly kind: 'unknown-parameter'; readonly keyword: string }
  | { readonly kind: 'hop-loop' }
  | { readonly kind: 'malformed-message'; readonly reason: 'header-block-too-big' | 'stray-line-ending' }
  | { readonly kind: 'capacity'; readonly reason: string }
  /**
   * The spool could not take a message; `reason` is `full`, or the system's word (ENOSPC, EROFS, EIO). Where the upstream
   * or the spool did not say whether it has it, it may be delivered.
   */
  | { readonly kind: 'spool'; readonly reason: string; readonly mayBeDelivered?: true }
  /** The spool has a message, and cannot give it back; `reason` is `incomplete`, or the system's word (ENOENT, EIO). */
  | { readonly kind: 'spool-content'; readonly reason: string };

/** The one error of the world outside; what is thrown otherwise is a mistake of ours. */
export class RelayError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(`${failure.kind}${'phase' in failure ? ` at ${failure.phase}` : ''}`, options);
    this.name = 'RelayError';
    this.failure = failure;
  }
}
