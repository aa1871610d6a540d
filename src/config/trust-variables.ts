/**
 * Variables about trust: who the upstream must prove to be, and by what. docs/TRUST.md tells what each is good for.
 */
import { ALLOWED_GROUPS, CIPHERS, GROUPS, TLS_VERSIONS } from '../tls/strength.ts';
import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

const codes = (words: readonly string[]): string => words.map((word) => `\`${word}\``).join(', ');

export const TRUST_VARIABLES = {
  caAnchors: optional(
    'SEALPOST_TLS_CA_FILE',
    { form: 'path', meaning: "PEM trust anchors, added to the system's." },
    (variable) => variable.asAnchorFile(),
  ),
  isCaOnly: withDefault(
    'SEALPOST_TLS_CA_ONLY',
    'off',
    {
      form: '`on` or `off`',
      meaning: "Trusts the anchors of SEALPOST_TLS_CA_FILE alone, and not the system's.",
    },
    (variable) => variable.asSwitch(),
  ),
  serverName: optional(
    'SEALPOST_TLS_SERVER_NAME',
    {
      form: 'host name or address',
      meaning:
        'The name that the upstream proves, when it is not the host in SEALPOST_UPSTREAM: for one reached by its address or through a tunnel. `server-name=` of an entry counts before it.',
    },
    (variable) => variable.asReference(),
  ),
  pins: optional(
    'SEALPOST_TLS_PIN_SHA256',
    {
      form: 'base64 SHA-256 of a SubjectPublicKeyInfo, several separated by blanks or commas',
      meaning: 'A pin authenticates the upstream by itself, and a mismatch refuses even a valid chain.',
    },
    (variable) => variable.asPins(),
  ),
  pinMode: withDefault(
    'SEALPOST_TLS_PIN_MODE',
    'alone',
    {
      form: '`alone` or `with-chain`',
      meaning: '`with-chain` asks for all three: the pinned key, a chain to a trust anchor, and the name.',
    },
    (variable) => variable.asEnum(['alone', 'with-chain'] as const),
  ),
  dane: withDefault(
    'SEALPOST_TLS_DANE',
    'off',
    {
      form: '`off`, `when-published` or `require`',
      meaning:
        'DANE (RFC 7672): DNSSEC-secure TLSA records of the upstream decide; where there are none, a chain and the name (`when-published`) or no hop (`require`). Needs SEALPOST_DNS_RESOLVER.',
    },
    (variable) => variable.asEnum(['off', 'when-published', 'require'] as const),
  ),
  dnsResolver: optional(
    'SEALPOST_DNS_RESOLVER',
    {
      form: '`127.0.0.1[:53]`, `[::1]:53` or `tls://host[:853][?server-name=…]`',
      meaning:
        "A resolver that validates DNSSEC: on loopback, or by DNS over TLS with its own name verified. The upstream is looked up there; an address that it does not know is looked up in the machine's own way, which is no evidence of anything.",
    },
    (variable) => variable.asResolver(),
  ),
  dnsBogusName: withDefault(
    'SEALPOST_DNS_BOGUS_NAME',
    'dnssec-failed.org',
    {
      form: 'name',
      meaning:
        'A name whose DNSSEC signatures are wrong: `sealpost check` believes a resolver only when it refuses this one.',
    },
    (variable) => variable.asHostname(),
  ),
  clientCert: optional(
    'SEALPOST_TLS_CLIENT_CERT_FILE',
    {
      form: 'path',
      meaning: 'PEM certificate (and chain) presented to an upstream that asks for one (mutual TLS).',
    },
    (variable) => variable.asTextFile(),
  ),
  clientKey: optional(
    'SEALPOST_TLS_CLIENT_KEY_FILE',
    { form: 'path', meaning: 'PEM private key of that certificate.' },
    (variable) => variable.asTextFile(),
  ),
  clientPkcs12: optional(
    'SEALPOST_TLS_CLIENT_PKCS12_FILE',
    { form: 'path', meaning: 'Certificate and key in one PKCS#12 file, instead of the two above.' },
    (variable) => variable.asOctetFile(),
  ),
  clientPassphrase: optional(
    'SEALPOST_TLS_CLIENT_PASSPHRASE',
    { form: 'text', meaning: 'What opens that key or PKCS#12 file.', isSecret: true },
    (variable) => variable.asSecret(),
  ),
  minTlsVersion: withDefault(
    'SEALPOST_TLS_MIN_VERSION',
    'TLSv1.2',
    { form: '`TLSv1.2` or `TLSv1.3`', meaning: 'The oldest TLS version spoken with the upstream.' },
    (variable) => variable.asEnum(TLS_VERSIONS),
  ),
  ciphers: optional(
    'SEALPOST_TLS_CIPHERS',
    {
      form: `list out of ${codes(CIPHERS)}`,
      meaning:
        'Cipher suites for TLS 1.2, by the names of OpenSSL or IANA (default: all of these, which is what RFC 9325 leaves; those of TLS 1.3 are always offered).',
    },
    (variable) => variable.asCiphers(),
  ),
  groups: optional(
    'SEALPOST_TLS_GROUPS',
    {
      form: `list out of ${codes(ALLOWED_GROUPS)}`,
      meaning: `Key exchange groups in order of preference (default: ${codes(GROUPS)}, the first one post-quantum). For networks that lose large handshakes: leave the MLKEM ones out.`,
    },
    (variable) => variable.asGroups(),
  ),
  tlsFailureReply: withDefault(
    'SEALPOST_TLS_FAILURE_REPLY',
    'temporary',
    {
      form: '`temporary` or `permanent`',
      meaning: 'What clients hear when a hop cannot be secured: 451 4.7.4 or 4.7.5, or 550 5.7.10.',
    },
    (variable) => variable.asEnum(['temporary', 'permanent'] as const),
  ),
} as const;

/** @throws the first problem */
export function readTrust(container: Container): Pick<Values, keyof typeof TRUST_VARIABLES> {
  return {
    caAnchors: TRUST_VARIABLES.caAnchors.read(container),
    isCaOnly: TRUST_VARIABLES.isCaOnly.read(container),
    serverName: TRUST_VARIABLES.serverName.read(container),
    pins: TRUST_VARIABLES.pins.read(container),
    pinMode: TRUST_VARIABLES.pinMode.read(container),
    dane: TRUST_VARIABLES.dane.read(container),
    dnsResolver: TRUST_VARIABLES.dnsResolver.read(container),
    dnsBogusName: TRUST_VARIABLES.dnsBogusName.read(container),
    clientCert: TRUST_VARIABLES.clientCert.read(container),
    clientKey: TRUST_VARIABLES.clientKey.read(container),
    clientPkcs12: TRUST_VARIABLES.clientPkcs12.read(container),
    clientPassphrase: TRUST_VARIABLES.clientPassphrase.read(container),
    minTlsVersion: TRUST_VARIABLES.minTlsVersion.read(container),
    ciphers: TRUST_VARIABLES.ciphers.read(container),
    groups: TRUST_VARIABLES.groups.read(container),
    tlsFailureReply: TRUST_VARIABLES.tlsFailureReply.read(container),
  };
}
