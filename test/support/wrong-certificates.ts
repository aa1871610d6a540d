/**
 * Certificates that must not be taken for `localhost`, each with what the relay must say of it: one matrix for fresh,
 * resumed and pooled hops.
 */
import { attacker, genuine, type Attack } from './hostile-stage.ts';
import { rawDnsNames, srvName, TestAuthority, type Identity, type Wish } from './pki.ts';

export type Insecure = NonNullable<Attack['insecure']>;

export interface WrongCertificate {
  /** Completes "refuses …". */
  readonly what: string;
  readonly insecure: Insecure;
  readonly identity: Identity;
}

export const MISMATCH: Insecure = ['certificate-host-mismatch', /^ERR_TLS_CERT_ALTNAME_INVALID$/];
/** The reason is a code that says something, whatever code: result types are what people are promised. */
const REASON = /^(?!UNSPECIFIED$)(?=.*[A-Za-z])[\w/-]+$/;
const EXPIRED: Insecure = ['certificate-expired', /^CERT_HAS_EXPIRED$/];
const UNTRUSTED: Insecure = ['certificate-not-trusted', REASON];
/** RFC 8460 §4.3.1 counts name constraints among them. */
const CONSTRAINED: Insecure = ['certificate-not-trusted', /^(?:PERMITTED|EXCLUDED)_VIOLATION$/];
const INVALID: Insecure = ['validation-failure', REASON];

const PAST = '20250601000000Z';
const FUTURE = '20350101000000Z';

/** Same name as the trusted authority, another key: what an attacker can make in a minute. */
const impostor = new TestAuthority('Genuine test CA');
process.on('exit', () => impostor.remove());

const forged = impostor.issue();
const unknown = attacker.issue();

/** Everything is right with the certificate but its issuer. */
const strangers: readonly WrongCertificate[] = [
  wrong('a self-signed certificate', UNTRUSTED, { selfSigned: true }),
  given('a certificate of an unknown authority', UNTRUSTED, unknown),
  given('a chain that brings its own root along', UNTRUSTED, sent(unknown, attacker.caPem)),
  given('an authority of the right name with another key', UNTRUSTED, forged),
  given('a forged certificate with the genuine root sent along', UNTRUSTED, sent(forged, genuine.caPem)),
];

const leaves: readonly WrongCertificate[] = [
  wrong('an expired certificate', EXPIRED, { notAfter: PAST }),
  wrong('a certificate that is not yet valid', INVALID, { notBefore: FUTURE }),
  wrong('a certificate for clients only', UNTRUSTED, { extendedKeyUsage: 'clientAuth' }),
  wrong('a certificate for signing code', UNTRUSTED, { extendedKeyUsage: 'codeSigning' }),
  wrong('a key that may sign certificates and nothing else', UNTRUSTED, { keyUsage: 'critical,keyCertSign' }),
  wrong('an unknown critical extension', INVALID, { extensions: ['1.2.3.4=critical,DER:0500'] }),
  wrong('an RSA key of 1024 bits', INVALID, { key: 'rsa:1024' }),
  wrong('an RSA key of 2040 bits', INVALID, { key: 'rsa:2040' }),
  wrong('an RSA-PSS key of 1024 bits', INVALID, { key: 'rsa-pss:1024' }),
  wrong('an EC key of 160 bits', INVALID, { key: 'ec:secp160r1' }),
  wrong('an EC key of 192 bits', INVALID, { key: 'ec:prime192v1' }),
  wrong('a signature over SHA-1', INVALID, { digest: 'sha1' }),
];

const names: readonly WrongCertificate[] = [
  wrong('a certificate for another name', MISMATCH, { san: 'DNS:mail.attacker.test' }),
  wrong('a name in the CN alone', MISMATCH, { san: '', commonName: 'localhost' }),
  wrong('a name in the CN beside other names in the subjectAltName', MISMATCH, {
    san: 'DNS:mail.attacker.test',
    commonName: 'localhost',
  }),
  wrong('the name as an address, a URI or a mailbox', MISMATCH, {
    san: 'IP:127.0.0.1,URI:smtp://localhost,email:postmaster@localhost',
  }),
  wrong('the name of a service at the name', MISMATCH, { san: srvName('_submissions.localhost') }),
  wrong('the name followed by a NUL', MISMATCH, { san: rawDnsNames('localhost\0') }),
  wrong('the name, a NUL and another name', MISMATCH, { san: rawDnsNames('localhost\0.attacker.test') }),
  wrong('another name, a NUL and the name', MISMATCH, { san: rawDnsNames('attacker.test\0localhost') }),
  wrong('another name with the name behind a comma', MISMATCH, {
    san: rawDnsNames('mail.attacker.test, DNS:localhost'),
  }),
  wrong('the name with a blank before or behind it', MISMATCH, {
    san: rawDnsNames(' localhost', 'localhost '),
  }),
  wrong('the name in the CN, a NUL and another name', MISMATCH, {
    san: rawDnsNames('localhost\0'),
    commonName: 'localhost',
  }),
];

const chains: readonly WrongCertificate[] = [
  wrong('a chain without its intermediate', UNTRUSTED, { intermediate: true, omitIntermediate: true }),
  wrong('a certificate issued by one that is no authority', UNTRUSTED, {
    intermediate: { isAuthority: false },
  }),
  wrong('an intermediate that may not sign certificates', UNTRUSTED, {
    intermediate: { keyUsage: 'critical,digitalSignature,cRLSign' },
  }),
  wrong('an intermediate for clients only', UNTRUSTED, { intermediate: { extendedKeyUsage: 'clientAuth' } }),
  wrong('a certificate under an expired intermediate', EXPIRED, { intermediate: { notAfter: PAST } }),
  wrong('a certificate under an intermediate that is not yet valid', INVALID, {
    intermediate: { notBefore: FUTURE },
  }),
  wrong('more intermediates than the first allows', UNTRUSTED, {
    intermediate: { under: { pathLength: 0 } },
  }),
  wrong('an intermediate with an RSA key of 1024 bits', INVALID, { intermediate: { key: 'rsa:1024' } }),
  wrong('an intermediate with an RSA key of 2040 bits', INVALID, { intermediate: { key: 'rsa:2040' } }),
  wrong('an intermediate with an EC key of 192 bits', INVALID, { intermediate: { key: 'ec:prime192v1' } }),
  wrong('an intermediate with a signature over SHA-1', INVALID, { intermediate: { digest: 'sha1' } }),
];

const constraints: readonly WrongCertificate[] = [
  constrained('a name outside what the intermediate is permitted', 'permitted;DNS:example.test'),
  constrained('a name that is excluded from what the intermediate may issue', 'excluded;DNS:localhost'),
  constrained(
    'a name that is permitted and excluded',
    'permitted;DNS:localhost,permitted;DNS:test,excluded;DNS:localhost',
  ),
  constrained('a second name that the intermediate may not issue', 'permitted;DNS:localhost', {
    san: 'DNS:localhost,DNS:mail.example.test',
  }),
  constrained(
    'an address that the intermediate may not issue',
    'permitted;DNS:localhost,permitted;IP:192.0.2.0/255.255.255.0',
    { san: 'DNS:localhost,IP:127.0.0.1' },
  ),
];

export const WRONG_CERTIFICATES: readonly WrongCertificate[] = [
  ...strangers,
  ...leaves,
  ...names,
  ...chains,
  ...constraints,
];

/** A server that shows such a certificate must be free to use what is weak. */
export const LAX_SERVER = { ciphers: 'ALL:@SECLEVEL=0' } as const;

function wrong(what: string, insecure: Insecure, wish: Wish): WrongCertificate {
  return given(what, insecure, genuine.issue(wish));
}

function constrained(
  what: string,
  nameConstraints: string,
  wish: Wish = { san: 'DNS:localhost' },
): WrongCertificate {
  return wrong(what, CONSTRAINED, {
    ...wish,
    intermediate: { nameConstraints: `critical,${nameConstraints}` },
  });
}

function given(what: string, insecure: Insecure, identity: Identity): WrongCertificate {
  return { what, insecure, identity };
}

/** The identity with more sent along. */
function sent({ key, cert }: Identity, more: string): Identity {
  return { key, cert: cert + more };
}
