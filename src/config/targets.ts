/**
 * From what the variables say about upstreams to the targets of the relay, and what of it does not fit together.
 *
 * Guarantees: a combination in which one setting would silently undo another is a problem, not a choice of ours.
 */
import type { OAuthAccount } from '../oauth/account.ts';
import { IdentityFault, pemIdentity, pkcs12Identity, type ClientIdentity } from '../tls/client-identity.ts';
import type { TrustOptions } from '../tls/trust.ts';
import { takesPassword, takesToken, type MechanismName } from '../upstream/sasl/mechanism.ts';
import type { Authentication, Credentials, Target } from '../upstream/target.ts';
import { passthroughFaults } from './client-auth-variables.ts';
import type { Problem } from './environment.ts';
import { oauthAccountOf } from './oauth-account.ts';
import type { Values } from './table.ts';
import type { UpstreamEntry } from './upstream-list.ts';

/** A target before its trust is made: reading the system's anchors takes time, and only hops need them. */
export interface Destination extends Omit<Target, 'trust' | 'credentials'> {
  readonly credentials?: DestinationCredentials | undefined;
}

/** A token is asked for over verified TLS, which takes the trust. */
export type DestinationCredentials = Exclude<Credentials, { readonly kind: 'token' }> | TokenLogin;

export interface TokenLogin {
  readonly kind: 'token';
  readonly account: OAuthAccount;
  readonly mechanisms: readonly MechanismName[] | undefined;
}

export function destinationsOf(values: Values): readonly Destination[] {
  const account = oauthAccountOf(values);
  return values.upstreams.map((entry) => ({
    place: entry.place,
    serverName: entry.serverName ?? values.serverName,
    authentication: authenticationOf(entry, values),
    credentials: credentialsOf(entry, values, account),
    hints: values.provider?.provider.hints,
  }));
}

export function trustOptionsOf(values: Values): TrustOptions {
  return { ...anonymousTrustOf(values), clientIdentity: clientIdentityOf(values) };
}

/** For servers that our certificate is not for. */
export function anonymousTrustOf(
  values: Pick<Values, 'minTlsVersion' | 'ciphers' | 'groups' | 'caAnchors' | 'isCaOnly'>,
): TrustOptions {
  const { minTlsVersion: minVersion, ciphers, groups, caAnchors: addedAnchors, isCaOnly } = values;
  return {
    minVersion,
    isAnchorsOnly: isCaOnly,
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(groups === undefined ? {} : { groups }),
    ...(addedAnchors === undefined ? {} : { addedAnchors }),
  };
}

/** What one entry says counts before what is said for all. */
function authenticationOf(entry: UpstreamEntry, values: Values): Authentication {
  const pins = entry.pins ?? values.pins;
  if (pins !== undefined) return { by: values.pinMode === 'alone' ? 'pin' : 'pkix-and-pin', pins };
  if (values.dane === 'off') return { by: 'pkix' };
  return { by: 'dane', otherwise: values.dane === 'require' ? 'refuse' : 'pkix' };
}

function credentialsOf(
  entry: UpstreamEntry,
  values: Values,
  account: OAuthAccount | undefined,
): DestinationCredentials | undefined {
  const { upstreamUser, upstreamPassword } = values;
  const { user, password } = entry.login ?? { user: upstreamUser, password: upstreamPassword };
  const isExternal = isExternalOnly(values);
  if (user !== undefined && password !== undefined && !isExternal) {
    const mechanisms = values.upstreamAuth ?? values.provider?.provider.passwordMechanisms;
    return { kind: 'password', user, password, mechanisms };
  }
  if (account !== undefined) return { kind: 'token', account, mechanisms: values.upstreamAuth };
  if (!hasClientIdentity(values)) return undefined;
  return { kind: 'certificate', user: user ?? '', isRequired: isExternal };
}

function hasClientIdentity({ clientCert, clientPkcs12 }: Values): boolean {
  return clientCert !== undefined || clientPkcs12 !== undefined;
}

function isExternalOnly({ upstreamAuth }: Values): boolean {
  return upstreamAuth !== undefined && upstreamAuth.every((mechanism) => mechanism === 'EXTERNAL');
}

/** @throws {IdentityFault} */
function clientIdentityOf(values: Values): ClientIdentity | undefined {
  const { clientCert: cert, clientKey: key, clientPkcs12: pkcs12, clientPassphrase: passphrase } = values;
  if (pkcs12 !== undefined) return pkcs12Identity(pkcs12, passphrase);
  return cert === undefined || key === undefined ? undefined : pemIdentity(cert, key, passphrase);
}

const IDENTITY_VARIABLES: Readonly<Record<IdentityFault['part'], string>> = {
  certificate: 'SEALPOST_TLS_CLIENT_CERT_FILE',
  key: 'SEALPOST_TLS_CLIENT_KEY_FILE',
  pkcs12: 'SEALPOST_TLS_CLIENT_PKCS12_FILE',
};

export function clientIdentityFaults(values: Values): readonly Problem[] {
  const { clientCert: cert, clientKey: key, clientPkcs12: pkcs12, clientPassphrase: passphrase } = values;
  if (pkcs12 !== undefined && (cert !== undefined || key !== undefined))
    return [
      {
        variable: 'SEALPOST_TLS_CLIENT_PKCS12_FILE',
        text: 'should not be set together with a PEM certificate',
      },
    ];
  if (passphrase !== undefined && pkcs12 === undefined && key === undefined) {
    const text =
      'should be set together with SEALPOST_TLS_CLIENT_KEY_FILE or SEALPOST_TLS_CLIENT_PKCS12_FILE';
    return [{ variable: 'SEALPOST_TLS_CLIENT_PASSPHRASE', text }];
  }
  try {
    clientIdentityOf(values);
    return [];
  } catch (error) {
    if (!(error instanceof IdentityFault)) throw error;
    return [{ variable: IDENTITY_VARIABLES[error.part], text: error.message }];
  }
}

/** Settings about trust that need or exclude one another. */
export function trustFaults(values: Values): readonly Problem[] {
  const { isCaOnly, caAnchors, pinMode, pins, dane, dnsResolver, upstreams } = values;
  const found: Problem[] = [];
  const must = (isWrong: boolean, variable: string, text: string): void => {
    if (isWrong) found.push({ variable, text });
  };
  const isPinned = (entry: UpstreamEntry): boolean => (entry.pins ?? pins) !== undefined;
  must(isCaOnly && caAnchors === undefined, 'SEALPOST_TLS_CA_FILE', 'is required with SEALPOST_TLS_CA_ONLY');
  must(
    pinMode === 'with-chain' && !upstreams.every(isPinned),
    'SEALPOST_TLS_PIN_SHA256',
    'is required with SEALPOST_TLS_PIN_MODE=with-chain',
  );
  must(
    dane !== 'off' && dnsResolver === undefined,
    'SEALPOST_DNS_RESOLVER',
    'is required with SEALPOST_TLS_DANE',
  );
  must(
    isCaOnly && pins !== undefined && pinMode === 'alone',
    'SEALPOST_TLS_PIN_MODE',
    'should be with-chain with SEALPOST_TLS_CA_ONLY: a pin alone does not ask for an authority',
  );
  must(
    dane !== 'off' && pins !== undefined,
    'SEALPOST_TLS_DANE',
    'should be off with SEALPOST_TLS_PIN_SHA256: a pin names the key by itself',
  );
  must(
    dane === 'require' && upstreams.some((entry) => entry.pins !== undefined),
    'SEALPOST_TLS_DANE',
    'should not be require for an entry with a pin, which names the key by itself',
  );
  must(
    dane === 'require' && upstreams.some((entry) => isAddress(entry, values)),
    'SEALPOST_TLS_SERVER_NAME',
    'is required to use SEALPOST_TLS_DANE=require with an upstream that is an address',
  );
  return found;
}

function isAddress({ place, serverName }: UpstreamEntry, values: Values): boolean {
  const name = serverName ?? values.serverName;
  return name === undefined ? place.kind === 'host' && place.reference.kind === 'ip' : name.kind === 'ip';
}

/** Settings about logging in that need or exclude one another. */
export function loginFaults(values: Values): readonly Problem[] {
  if (values.clientAuth === 'passthrough') return passthroughFaults(values);
  const { upstreamUser: user, upstreamPassword: password } = values;
  const found: Problem[] = [];
  if (password !== undefined && user === undefined)
    found.push({ variable: 'SEALPOST_UPSTREAM_USER', text: 'is required with SEALPOST_UPSTREAM_PASSWORD' });
  const needsPassword = values.oauthGrant === undefined && !hasClientIdentity(values);
  if (user !== undefined && password === undefined && needsPassword)
    found.push({ variable: 'SEALPOST_UPSTREAM_PASSWORD', text: 'is required with SEALPOST_UPSTREAM_USER' });
  return [...found, ...mechanismFaults(values), ...(found.length > 0 ? [] : providerFaults(values))];
}

/** Providers want to know who sends; but for those that go by the address. */
function providerFaults(values: Values): readonly Problem[] {
  const { provider: preset, oauthGrant } = values;
  if (preset === undefined || preset.provider.isLoginOptional === true) return [];
  if (oauthGrant !== undefined) return []; // what that lacks is told there
  if (destinationsOf(values).every(({ credentials }) => credentials !== undefined)) return [];
  const text = `is required with SEALPOST_PROVIDER=${preset.name}`;
  return [{ variable: 'SEALPOST_UPSTREAM_USER', text }];
}

function mechanismFaults(values: Values): readonly Problem[] {
  const { upstreamAuth } = values;
  if (upstreamAuth === undefined) return [];
  if (isExternalOnly(values)) return externalFaults(values);
  const variable = 'SEALPOST_UPSTREAM_AUTH';
  if (upstreamAuth.includes('EXTERNAL'))
    return [{ variable, text: 'should be EXTERNAL alone, or name mechanisms without it' }];
  const logins = destinationsOf(values).map(({ credentials }) => credentials?.kind);
  if (logins.includes('token') && !upstreamAuth.some(takesToken))
    return [{ variable, text: 'should have OAUTHBEARER or XOAUTH2 with SEALPOST_OAUTH_GRANT' }];
  if (logins.includes('password') && !upstreamAuth.some(takesPassword)) {
    const text = 'should have a mechanism that takes a password; tokens need SEALPOST_OAUTH_GRANT';
    return [{ variable, text }];
  }
  if (logins.includes('certificate')) {
    const text = 'is required with SEALPOST_UPSTREAM_AUTH, unless that is EXTERNAL';
    return [{ variable: 'SEALPOST_UPSTREAM_PASSWORD', text }];
  }
  if (logins.includes('password') || logins.includes('token')) return [];
  return [{ variable: 'SEALPOST_UPSTREAM_USER', text: 'is required with SEALPOST_UPSTREAM_AUTH' }];
}

/** A password would be set and never used. */
function externalFaults(values: Values): readonly Problem[] {
  const { upstreamPassword, upstreams } = values;
  const isExternal = 'SEALPOST_UPSTREAM_AUTH=EXTERNAL';
  if (!hasClientIdentity(values)) {
    const text =
      'should be EXTERNAL only with SEALPOST_TLS_CLIENT_CERT_FILE or SEALPOST_TLS_CLIENT_PKCS12_FILE';
    return [{ variable: 'SEALPOST_UPSTREAM_AUTH', text }];
  }
  if (upstreamPassword !== undefined)
    return [{ variable: 'SEALPOST_UPSTREAM_PASSWORD', text: `should not be set with ${isExternal}` }];
  if (upstreams.some(({ login }) => login !== undefined))
    return [{ variable: 'SEALPOST_UPSTREAM', text: `should have no password with ${isExternal}` }];
  return [];
}
