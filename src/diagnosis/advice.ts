/**
 * One sentence for a port: what is wrong, and what to change.
 */
import { isIPv6 } from 'node:net';

import type { Failure } from '../protocol/failure.ts';
import { failureHint, failureReply, isCertificateRefusal } from '../relay/failure-reply.ts';
import { inWordsOf } from '../relay/upstream-words.ts';
import { wayText, type Way } from '../upstream/way.ts';
import type { ProbeFinding, UnbelievedResolver, Verdict } from './findings.ts';
import { shown } from './foreign-text.ts';
import { LoginNotTried } from './login-turns.ts';
import { resolverSentence } from './resolver-proof.ts';
import type { Subject } from './subject.ts';

const MAX_CHARACTERS = 600;

/** In the words of the upstream that it is about, and with what a known provider means by its refusal. */
export function verdictFor(
  { target, route }: Subject,
  way: Way,
  failed: Failure | LoginNotTried | undefined,
  probe: ProbeFinding,
): Verdict {
  const verdict = verdictOf(way, failed, probe);
  const isFailure = failed !== undefined && !(failed instanceof LoginNotTried);
  const hint = isFailure ? failureHint(failed, target.hints) : undefined;
  const sentence = inWordsOf(route, verdict.sentence);
  return { ...verdict, sentence, hint: hint === undefined ? undefined : inWordsOf(route, hint) };
}

/** @param failed why there is no hop; undefined when there was one */
function verdictOf(way: Way, failed: Failure | LoginNotTried | undefined, probe: ProbeFinding): Verdict {
  if (failed === undefined) return { outcome: 'secured', sentence: 'Mail would be delivered by this port.' };
  if (failed instanceof LoginNotTried) {
    const sentence = `The login was not tried on this port: ${failed.detail}.`;
    return { outcome: 'refused', failure: 'auth', reason: 'not-tried', sentence };
  }
  const verdict = failureVerdict(failed, misdirection(way, failed, probe));
  // A port that speaks TLS at once is a good one of the other kind: what it lacks is STARTTLS.
  const lacksStarttls = way.endpoint.tls === 'starttls' && probe.speaks === 'tls' && isAtBeginning(failed);
  if (!lacksStarttls) return verdict;
  const { reason, sentence } = verdict;
  return { outcome: 'insecure', resultType: 'starttls-not-supported', reason, sentence };
}

/** For an upstream that has no port to look at, too. */
export function failureVerdict(failed: Failure, sentence = sentenceFor(failed)): Verdict {
  const told = { reason: reasonOf(failed), sentence: shown(sentence, MAX_CHARACTERS) };
  return failed.kind === 'tls'
    ? { outcome: 'insecure', resultType: failed.resultType, ...told }
    : { outcome: 'refused', failure: failed.kind, ...told };
}

/** Where a resolver has to be believed and has not shown that it can be. */
export function unbelievedVerdict(resolver: UnbelievedResolver): Verdict {
  return {
    outcome: 'insecure',
    resultType: 'dnssec-invalid',
    reason: `resolver-${resolver.state}`,
    sentence: resolverSentence(resolver),
  };
}

/** The answer to the wrong question: the port is fine, the way of beginning is not. */
function misdirection(
  way: Way,
  failed: Failure,
  { speaks, offersStarttls }: ProbeFinding,
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
  if (speaks === 'hangs-up')
    return `What listens at ${at} takes the connection and hangs up at once, with TLS and without; check the port, whether the server lets this host in, and any firewall or proxy before it.`;
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
  if (failed.kind === 'lost' && !isCertificateRefusal(failed.reason))
    return `The connection was lost at ${failed.phase} (${failed.reason}); the upstream's own log may say why.`;
  if (failed.kind === 'unsupported' && failed.extension === 'REQUIRETLS')
    return 'SEALPOST_REQUIRETLS=require keeps mail from an upstream that does not offer REQUIRETLS, as this one does not: set SEALPOST_REQUIRETLS to when-offered, or name an upstream that offers it.';
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
