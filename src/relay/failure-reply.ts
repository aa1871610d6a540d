/**
 * The table from failure to reply: what the client is told, and nothing is told elsewhere.
 *
 * Guarantees: exhaustive over `Failure`; a reply of ours never says 421 in a transaction (it would hang up on the
 * client); an upstream's refusal of mail keeps its code and text.
 */
import type { Extension, Failure } from '../protocol/failure.ts';
import { ownReply, replyText, withConsistentCodes, type Reply, type Status } from '../protocol/reply.ts';
import type { RefusalHint } from '../upstream/target.ts';
import { authSentence } from './auth-sentence.ts';
import { hintFor, withHint, type Refused } from './refusal-hint.ts';
import { tlsSentence } from './tls-sentence.ts';

/** What a client hears when a hop cannot be secured: keep the mail (451), or give up (550). */
export type TlsFailureReply = 'temporary' | 'permanent';

/** @param hints about the upstream that failed: what its refusal means goes behind its words */
export function failureReply(
  failure: Failure,
  onTlsFailure: TlsFailureReply,
  hints?: readonly RefusalHint[],
): Reply {
  return withHint(plainReply(failure, onTlsFailure), failureHint(failure, hints));
}

/** What the refusal in a failure means, where there is one that is known. */
export function failureHint(failure: Failure, hints?: readonly RefusalHint[]): string | undefined {
  const refused = refusedBy(failure);
  return refused === undefined ? undefined : hintFor(refused, hints);
}

/** What the upstream itself said; in clear anybody may have. */
function refusedBy(failure: Failure): Refused | undefined {
  if (!('reply' in failure) || failure.reply === undefined) return undefined;
  if (failure.kind === 'session-refused' && !failure.isInsideTls) return undefined;
  return { ...failure, reply: failure.reply };
}

function plainReply(failure: Failure, onTlsFailure: TlsFailureReply): Reply {
  switch (failure.kind) {
    case 'tls':
      return tlsReply(failure, onTlsFailure);
    case 'refused':
      return mirrored(failure.reply);
    case 'session-refused':
      return ownReply(
        [451, '4.4.1'],
        `The upstream refused the session and said: ${replyText(failure.reply)}`,
      );
    case 'auth':
      return ownReply([454, '4.7.0'], authSentence(failure));
    case 'protocol':
      return ownReply(
        [451, '4.5.0'],
        `The upstream broke the SMTP protocol at ${failure.phase} (${failure.reason}).`,
      );
    case 'dns':
      return ownReply([451, '4.4.3'], dnsSentence(failure));
    case 'unreachable':
      return ownReply([451, '4.4.1'], unreachableSentence(failure));
    case 'lost':
      return ownReply([451, '4.4.2'], lostSentence(failure));
    case 'outcome-unknown':
      return ownReply(
        [451, '4.4.2'],
        'The upstream did not confirm the message; it may have been delivered already.',
      );
    case 'policy':
      return ownReply([550, '5.7.1'], failure.reason);
    case 'too-big':
      return ownReply([552, '5.3.4'], `The message is larger than the ${failure.maxOctets} octets allowed.`);
    case 'unsupported':
      return unsupportedReply(failure.extension);
    case 'unknown-parameter':
      return ownReply([555, '5.5.4'], `The upstream does not know the parameter ${failure.keyword}.`);
    case 'hop-loop':
      return ownReply([554, '5.4.6'], 'The message has passed too many hops; it is going round in a loop.');
    case 'malformed-message':
      return ownReply([554, '5.6.0'], MALFORMED[failure.reason]);
    case 'capacity':
      return ownReply([451, '4.4.5'], failure.reason);
    case 'spool':
      return ownReply([452, '4.3.1'], spoolSentence(failure));
    case 'spool-content':
      return ownReply([451, '4.3.0'], spoolContentSentence(failure));
  }
}

/** Anything unforeseen: the stack trace goes to the log. */
export const INTERNAL_ERROR = ownReply(
  [451, '4.3.0'],
  'Something went wrong in the relay; its log says what.',
);

/**
 * The upstream's own words; but its 421 is about its session with us, not about the client's.
 *
 * @param closing the codes that the client hears instead of 421
 */
export function mirrored(reply: Reply, closing: Status = [451, '4.3.2']): Reply {
  if (reply.code === 421)
    return ownReply(closing, `The upstream is closing its session and said: ${replyText(reply)}`);
  return withConsistentCodes(reply);
}

const MALFORMED = {
  'header-block-too-big': 'The header of the message is larger than 1 MiB.',
  'stray-line-ending': 'The message has a CR or LF that is not part of a CRLF.',
} as const;

function tlsReply(failure: Failure & { kind: 'tls' }, onTlsFailure: TlsFailureReply): Reply {
  const text = tlsSentence(failure.resultType, failure.reason);
  if (onTlsFailure === 'permanent') return ownReply([550, '5.7.10'], text);
  return ownReply([451, failure.resultType === 'starttls-not-supported' ? '4.7.4' : '4.7.5'], text);
}

function dnsSentence({ reason }: Failure & { kind: 'dns' }): string {
  switch (reason) {
    case 'no-srv-record':
      return 'DNS names no submission server for the domain after srv: in SEALPOST_UPSTREAM; write the name of the server itself.';
    case 'service-not-offered':
      return 'The domain after srv: in SEALPOST_UPSTREAM says in DNS that it has no submission server.';
    case 'not-found':
      return 'The name of the upstream was not found; check SEALPOST_UPSTREAM and DNS.';
    default:
      return `The name of the upstream could not be looked up (${reason}); check DNS and SEALPOST_DNS_RESOLVER.`;
  }
}

function unreachableSentence({
  phase,
  reason,
  isInsideTls = false,
}: Failure & { kind: 'unreachable' }): string {
  if (phase === 'connect')
    return `The upstream could not be reached (${reason}); check SEALPOST_UPSTREAM and the network.`;
  if (isCertificateRefusal(reason)) return certificateSentence(reason);
  if (isInsideTls)
    return `The upstream sent no greeting inside TLS (${reason}); check the port, and whether it wants a client certificate (SEALPOST_TLS_CLIENT_CERT_FILE).`;
  return `The upstream sent no greeting (${reason}); if its port begins with TLS, write smtps:// in SEALPOST_UPSTREAM.`;
}

function lostSentence({ phase, reason }: Failure & { kind: 'lost' }): string {
  if (isCertificateRefusal(reason)) return certificateSentence(reason);
  return `The connection to the upstream was lost at ${phase} (${reason}); send it again.`;
}

function spoolSentence({ reason, mayBeDelivered }: Failure & { kind: 'spool' }): string {
  if (mayBeDelivered === true)
    return `The message could not be kept in the spool (${reason}); it may have been delivered already, or may still be.`;
  return `The message could not be kept in the spool (${reason}).`;
}

/** Nobody hears it while it waits: it is in the queue, and in the report to the sender at the end. */
function spoolContentSentence({ reason }: Failure & { kind: 'spool-content' }): string {
  if (reason === 'incomplete' || reason === 'ENOENT')
    return `The content of the message in the spool is not whole any more (${reason}), so it cannot be sent; remove it with: sealpost queue remove`;
  return `The message could not be read from the spool (${reason}).`;
}

/** TLS 1.3 lets a server say so only after the handshake, whatever is under way by then (RFC 8446 §4.4.2.4). */
export function isCertificateRefusal(reason: string): boolean {
  return /_ALERT_(?:CERTIFICATE_|BAD_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/.test(reason);
}

function certificateSentence(reason: string): string {
  return `The upstream does not accept the relay's certificate (${reason}); give it one that it knows with SEALPOST_TLS_CLIENT_CERT_FILE.`;
}

function unsupportedReply(extension: Extension): Reply {
  switch (extension) {
    case '8BITMIME':
      return ownReply(
        [554, '5.6.3'],
        'The message has 8-bit content, which the upstream does not take (8BITMIME); encode it as quoted-printable or base64.',
      );
    case 'SMTPUTF8':
      return ownReply([553, '5.6.7'], 'The upstream does not take internationalised addresses (SMTPUTF8).');
    case 'REQUIRETLS':
      return ownReply([550, '5.7.30'], 'REQUIRETLS was asked for, and the upstream does not support it.');
  }
}
