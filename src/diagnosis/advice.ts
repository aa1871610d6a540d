/**
 * One sentence for a port: what is wrong, and what to change.
 */
import { isIPv6 } from 'node:net';

import type { Failure } from '../protocol/failure.ts';
import { failureReply } from '../relay/failure-reply.ts';
import { wayText, type Way } from '../upstream/way.ts';
import type { LookFinding, ResolverState, Verdict } from './findings.ts';
import { shown } from './foreign-text.ts';
import { LoginNotTried } from './login-turns.ts';

const MAX_CHARACTERS = 600;

/** @param failed why there is no hop; undefined when there was one */
export function verdictOf(way: Way, failed: Failure | LoginNotTried | undefined, look: LookFinding): Verdict {
  if (failed === undefined) return { word: 'secured', sentence: 'Mail would be delivered by this port.' };
  if (failed instanceof LoginNotTried)
    return {
      word: 'auth',
      reason: 'not-tried',
      sentence: `The login was not tried on this port: ${failed.detail}.`,
    };
  const verdict = failureVerdict(failed, misdirection(way, failed, look));
  // A port that speaks TLS at once is a good one of the other kind: what it lacks is STARTTLS.
  const lacksStarttls = way.endpoint.tls === 'starttls' && look.speaks === 'tls' && isAtBeginning(failed);
  return lacksStarttls ? { ...verdict, word: 'starttls-not-supported' } : verdict;
}

/** For an upstream that has no port to look at, too. */
export function failureVerdict(failed: Failure, sentence = sentenceFor(failed)): Verdict {
  const word = failed.kind === 'tls' ? failed.resultType : failed.kind;
  return { word, reason: reasonOf(failed), sentence: shown(sentence, MAX_CHARACTERS) };
}

/** Where a resolver has to be believed and has not shown that it can be. */
export function unbelievedVerdict(resolver: Exclude<ResolverState, 'proven'>): Verdict {
  return {
    word: 'dnssec-invalid',
    reason: `resolver-${resolver}`,
    sentence: resolverSentence(resolver),
  };
}

export function resolverSentence(resolver: Exclude<ResolverState, 'proven'>): string {
  return resolver === 'not-validating'
    ? 'The resolver of SEALPOST_DNS_RESOLVER answers for a name whose signatures are wrong, so it does not validate DNSSEC; name one that does.'
    : 'It could not be shown that the resolver of SEALPOST_DNS_RESOLVER validates DNSSEC; name one that answers, and with SEALPOST_DNS_BOGUS_NAME a name with wrong signatures that it can reach.';
}

/** The answer to the wrong question: the port is fine, the way of beginning is not. */
function misdirection(
  way: Way,
  failed: Failure,
  { speaks, offersStarttls }: LookFinding,
): string | undefined {
  const { tls } = way.endpoint;
  const at = hostAndPort(way);
  if (!isAtBeginning(failed)) return undefined;
  if (tls === 'starttls' && speaks === 'tls') return `This port speaks TLS at once: use smtps://${at}.`;
  if (tls === 'implicit' && speaks === 'smtp')
    return offersStarttls === true
      ? `This port begins in clear text: use smtp://${at}, with which STARTTLS is required.`
      : 'This port begins in clear text and offers no STARTTLS: use another port, one that has TLS.';
  if (speaks === 'other')
    return `What answers at ${at} is no mail server: it speaks neither SMTP nor TLS; check the port.`;
  if (speaks === 'nothing')
    return `What listens at ${at} takes the connection and says nothing, with TLS and without; check the port, and any firewall or proxy before it.`;
  if (tls === 'implicit' && speaks === 'tls' && failed.kind === 'unreachable')
    return `TLS works at ${at}, but no SMTP greeting comes inside it; check that this is the port of a mail server.`;
  return undefined;
}

/** Before anything but TCP had worked. */
function isAtBeginning(failed: Failure): boolean {
  if (failed.kind === 'tls') return failed.phase === 'handshake' && !isAboutCertificate(failed);
  if (failed.kind === 'unreachable' || failed.kind === 'protocol') return failed.phase === 'greeting';
  return false;
}

function isAboutCertificate({ resultType, reason }: Failure & { kind: 'tls' }): boolean {
  return resultType !== 'validation-failure' || reason === 'pin-mismatch' || reason === 'weak-key';
}

function sentenceFor(failed: Failure): string {
  // What the relay says of this tells a client to send its message again.
  if (failed.kind === 'lost')
    return `The connection was lost at ${failed.phase} (${failed.reason}); the upstream's own log may say why.`;
  const [line = ''] = failureReply(failed, 'temporary').lines;
  return line.replace(/^[245]\.\d+\.\d+ /, '');
}

function reasonOf(failed: Failure): string | undefined {
  if ('reason' in failed) return failed.reason;
  if ('reply' in failed) return String(failed.reply.code);
  return 'extension' in failed ? failed.extension : undefined;
}

function hostAndPort(way: Way): string {
  const { host, port } = wayText(way);
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
