/**
 * From what the variables say about access tokens to the account that they are for, and what of it does not fit together.
 *
 * Guarantees: a setting that would have no effect is a problem that names it.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';

import type { ClientProof, Grant, OAuthAccount } from '../oauth/account.ts';
import { canSign } from '../oauth/client-proof.ts';
import type { OAuthEndpoints } from '../oauth/endpoints.ts';
import type { Problem } from './environment.ts';
import { OAUTH_VARIABLES } from './oauth-variables.ts';
import type { Values } from './table.ts';

/** @returns undefined when logging in takes no token */
export function oauthAccountOf(values: Values): OAuthAccount | undefined {
  const { oauthGrant, upstreamUser: user, stateDirectory } = values;
  const endpoints = endpointsOf(values);
  const grant = grantOf(values);
  if (oauthGrant === undefined || user === undefined || endpoints === undefined || grant === undefined)
    return undefined;
  const clientProof = proofOf(values);
  return { user, endpoints, clientId: values.oauthClientId ?? '', clientProof, grant, stateDirectory };
}

/** What is set counts before what the provider's preset says, and that before what a service account's file says. */
function endpointsOf(values: Values): OAuthEndpoints | undefined {
  const { oauthTokenUrl, oauthDeviceUrl, oauthAuthorizationUrl, oauthScope, oauthServiceAccount } = values;
  const { deviceUrl, authorizationUrl, scope = '', ...preset } = presetOf(values);
  const tokenUrl = oauthTokenUrl ?? preset.tokenUrl ?? oauthServiceAccount?.tokenUrl;
  if (tokenUrl === undefined) return undefined;
  return {
    tokenUrl,
    deviceUrl: oauthDeviceUrl ?? deviceUrl,
    authorizationUrl: oauthAuthorizationUrl ?? authorizationUrl,
    scope: oauthScope ?? scope,
  };
}

function presetOf({ provider, oauthGrant }: Values): Partial<OAuthEndpoints> {
  const oauth = provider?.oauth;
  return (oauthGrant === 'refresh-token' ? oauth?.delegated : oauth?.application) ?? {};
}

function grantOf({
  oauthGrant: kind,
  oauthRefreshToken: seed,
  oauthServiceAccount: file,
}: Values): Grant | undefined {
  switch (kind) {
    case undefined:
      return undefined;
    case 'refresh-token':
      return { kind, seed };
    case 'client-credentials':
      return { kind };
    case 'service-account':
      return file === undefined ? undefined : { kind, account: file.account };
  }
}

function proofOf({ oauthClientSecret: secret, oauthClientAuth, ...values }: Values): ClientProof {
  if (secret !== undefined)
    return { kind: 'secret', secret, sentIn: oauthClientAuth === 'basic' ? 'header' : 'body' };
  const { oauthClientCert: certificate, oauthClientKey: key } = values;
  if (certificate === undefined || key === undefined) return { kind: 'none' };
  return { kind: 'certificate', key: createPrivateKey(key), certificate };
}

/** Settings about tokens that need or exclude one another. */
export function oauthFaults(values: Values): readonly Problem[] {
  const { oauthGrant } = values;
  const must = rules();
  if (oauthGrant === undefined) {
    const [first] = OAUTH_KEYS.filter((key) => key !== 'oauthGrant' && isSet(values, key));
    if (first !== undefined) must(true, 'oauthGrant', `is required with ${OAUTH_VARIABLES[first].name}`);
    return must.found;
  }
  const withGrant = `with SEALPOST_OAUTH_GRANT=${oauthGrant}`;
  const needs = (key: OAuthKey): void => must(!isSet(values, key), key, `is required ${withGrant}`);
  const lacks = (key: OAuthKey): void => must(isSet(values, key), key, `should not be set ${withGrant}`);
  must(endpointsOf(values) === undefined, 'oauthTokenUrl', `is required ${withGrant}${orTenant(values)}`);
  switch (oauthGrant) {
    case 'refresh-token':
      needs('oauthClientId');
      lacks('oauthServiceAccount');
      break;
    case 'client-credentials':
      needs('oauthClientId');
      must(
        values.oauthClientSecret === undefined && values.oauthClientCert === undefined,
        'oauthClientSecret',
        `or SEALPOST_OAUTH_CLIENT_CERT_FILE is required ${withGrant}`,
      );
      for (const key of ['oauthRefreshToken', 'oauthServiceAccount'] as const) lacks(key);
      break;
    case 'service-account':
      needs('oauthServiceAccount');
      must(endpointsOf(values)?.scope === '', 'oauthScope', `is required ${withGrant}`);
      for (const key of CLIENT_KEYS) lacks(key);
      break;
  }
  if (oauthGrant !== 'refresh-token') for (const key of LOGIN_KEYS) lacks(key);
  return [...must.found, ...loginFaults(values), ...certificateFaults(values)];
}

/** What is missing of a provider that has its endpoints for each tenant. */
function orTenant({ provider: preset }: Values): string {
  if (preset?.provider.oauth?.tenant === undefined) return '';
  const example = preset.provider.variant?.example ?? 'TENANT';
  return `; or name the tenant, such as SEALPOST_PROVIDER=${preset.name}:${example}`;
}

type OAuthKey = keyof typeof OAUTH_VARIABLES;

const LOGIN_KEYS = ['oauthDeviceUrl', 'oauthAuthorizationUrl'] as const;
const CLIENT_KEYS = [
  'oauthClientId',
  'oauthClientSecret',
  'oauthClientCert',
  'oauthClientKey',
  'oauthRefreshToken',
] as const;
const OAUTH_KEYS = [
  'oauthGrant',
  'oauthTokenUrl',
  'oauthDeviceUrl',
  'oauthAuthorizationUrl',
  'oauthScope',
  ...CLIENT_KEYS,
  'oauthServiceAccount',
] as const satisfies readonly OAuthKey[];

function isSet(values: Values, key: OAuthKey): boolean {
  return values[key] !== undefined;
}

interface Rules {
  (isWrong: boolean, key: OAuthKey, text: string): void;
  readonly found: readonly Problem[];
}

function rules(): Rules {
  const found: Problem[] = [];
  const must = (isWrong: boolean, key: OAuthKey, text: string): void => {
    if (isWrong) found.push({ variable: OAUTH_VARIABLES[key].name, text });
  };
  return Object.assign(must, { found });
}

/** Whose token it is, and nothing beside it. */
function loginFaults({ upstreamUser, upstreamPassword }: Values): readonly Problem[] {
  const found: Problem[] = [];
  if (upstreamUser === undefined)
    found.push({ variable: 'SEALPOST_UPSTREAM_USER', text: 'is required with SEALPOST_OAUTH_GRANT' });
  if (upstreamPassword !== undefined) {
    const text = 'should not be set with SEALPOST_OAUTH_GRANT: a token takes its place';
    found.push({ variable: 'SEALPOST_UPSTREAM_PASSWORD', text });
  }
  return found;
}

function certificateFaults(values: Values): readonly Problem[] {
  const { oauthClientSecret: secret, oauthClientCert: cert, oauthClientKey: key } = values;
  const [certName, keyName] = [OAUTH_VARIABLES.oauthClientCert.name, OAUTH_VARIABLES.oauthClientKey.name];
  if (cert === undefined && key === undefined) return [];
  if (secret !== undefined)
    return [{ variable: OAUTH_VARIABLES.oauthClientSecret.name, text: `should not be set with ${certName}` }];
  if (cert === undefined) return [{ variable: certName, text: `is required with ${keyName}` }];
  if (key === undefined) return [{ variable: keyName, text: `is required with ${certName}` }];
  return pairFaults(cert, key, certName, keyName);
}

function pairFaults(cert: string, key: string, certName: string, keyName: string): readonly Problem[] {
  let certificate: X509Certificate;
  let privateKey: KeyObject;
  try {
    certificate = new X509Certificate(cert);
  } catch {
    return [{ variable: certName, text: 'should name a PEM certificate' }];
  }
  try {
    privateKey = createPrivateKey(key);
  } catch {
    return [{ variable: keyName, text: 'should name a PEM private key without a passphrase' }];
  }
  if (!canSign(privateKey)) return [{ variable: keyName, text: 'should name an RSA or EC key' }];
  if (!certificate.checkPrivateKey(privateKey))
    return [{ variable: keyName, text: `should be the key of ${certName}` }];
  return [];
}
