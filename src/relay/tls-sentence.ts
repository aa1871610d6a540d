/**
 * One sentence for each reason why a hop was not secured: what is wrong, and what to change.
 */
import type { TlsResultType } from '../protocol/tls-result.ts';

/** @param reason the failure-reason-code, a word of ours or of OpenSSL */
export function tlsSentence(resultType: TlsResultType, reason: string): string {
  return (
    BY_REASON.get(reason) ??
    BY_RESULT[resultType] ??
    `The TLS handshake with the upstream failed (${reason}); nothing was sent.`
  );
}

const BY_RESULT: Partial<Record<TlsResultType, string>> = {
  'starttls-not-supported':
    'The upstream refused STARTTLS, so nothing was sent; use smtps:// if it has a port that begins with TLS.',
  'certificate-host-mismatch':
    "The upstream's certificate does not carry the name that was asked for; use one that it carries in SEALPOST_UPSTREAM, or SEALPOST_TLS_SERVER_NAME for an upstream reached by address or tunnel.",
  'certificate-expired':
    "The upstream's certificate has expired; its operator must renew it, unless this machine's clock is wrong.",
  'certificate-not-trusted':
    "The upstream's certificate is not from a trusted authority; name the authority with SEALPOST_TLS_CA_FILE or the key with SEALPOST_TLS_PIN_SHA256.",
  'tlsa-invalid':
    "The upstream's certificate is not the one that its TLSA records in DNS describe, so nothing was sent; its operator must publish the right one, unless somebody stands in between.",
  'dnssec-invalid':
    'DNSSEC could not vouch for what DNS says about the upstream, so nothing was sent; somebody may be tampering with DNS, or the zone is broken.',
  'dane-required':
    'The upstream has no TLSA record that DNSSEC vouches for, and SEALPOST_TLS_DANE=require asks for one; when-published would do without.',
};

const NOT_TLS = 'The upstream port does not begin with TLS; write smtp:// in SEALPOST_UPSTREAM for STARTTLS.';
const CONSTRAINED =
  "The upstream's certificate has a name that its authority may not issue (name constraints); its operator needs another one.";
const DNS_SILENT =
  'The resolver in SEALPOST_DNS_RESOLVER gave no answer, and without one the upstream cannot be verified; nothing was sent.';
const TOO_OLD =
  'The upstream offers no TLS that is still secure: it needs TLS 1.2 with forward secrecy or TLS 1.3, or SEALPOST_TLS_MIN_VERSION asks for more than it has.';
const REFUSED =
  'The upstream has nothing in common with the relay in the TLS handshake: it needs TLS 1.2 with forward secrecy or TLS 1.3, unless SEALPOST_TLS_MIN_VERSION, _CIPHERS or _GROUPS allow too little, or it wants a client certificate (SEALPOST_TLS_CLIENT_CERT_FILE).';
const TOO_WEAK =
  "The upstream's certificate has a weak key or signature; it needs RSA of 2048 bits or more, and no SHA-1.";

const BY_REASON: ReadonlyMap<string, string> = new Map([
  [
    'not-offered',
    'The upstream does not offer STARTTLS, so nothing was sent; use smtps:// if it has a port that begins with TLS, else somebody may be tampering with the connection.',
  ],
  [
    'pin-mismatch',
    "The upstream's key is not the pinned one; if its operator changed it, change SEALPOST_TLS_PIN_SHA256.",
  ],
  [
    'plaintext-after-starttls-reply',
    'Clear text came between STARTTLS and TLS, so nothing was sent; somebody is tampering with the connection.',
  ],
  ['CERT_NOT_YET_VALID', "The upstream's certificate is not valid yet; compare the clocks of both machines."],
  ['ERR_SSL_WRONG_VERSION_NUMBER', NOT_TLS],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', NOT_TLS],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', TOO_OLD],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', TOO_OLD],
  ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', REFUSED],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', REFUSED],
  ['INVALID_PURPOSE', "The upstream's certificate is not one for servers; its operator needs another one."],
  ['PERMITTED_VIOLATION', CONSTRAINED],
  ['EXCLUDED_VIOLATION', CONSTRAINED],
  ['weak-key', TOO_WEAK],
  ['EE_KEY_TOO_SMALL', TOO_WEAK],
  ['CA_KEY_TOO_SMALL', TOO_WEAK],
  ['CA_MD_TOO_WEAK', TOO_WEAK],
  ['no-server-hello', 'The upstream said nothing at all in the TLS handshake; nothing was sent.'],
  [
    'no-usable-tlsa-record',
    'The TLSA records of the upstream are of no use for mail (usage 2 or 3 is needed), and SEALPOST_TLS_DANE=require asks for one.',
  ],
  ['dns-timeout', DNS_SILENT],
  ['dns-unreachable', DNS_SILENT],
  [
    'dns-not-verified',
    'The resolver in SEALPOST_DNS_RESOLVER did not prove its name in TLS, so nothing was asked and nothing sent.',
  ],
  ['timeout', 'The upstream did not finish the TLS handshake in time; nothing was sent.'],
  ['connection-lost', 'The upstream ended the connection during the TLS handshake; nothing was sent.'],
]);
