/**
 * Variables about access tokens for the upstream (OAuth 2.0).
 */
import { parseServiceAccount } from '../oauth/service-account.ts';
import { optional, withDefault, type Container } from './variable.ts';

export const GRANTS = ['refresh-token', 'client-credentials', 'service-account'] as const;

/** @param prefix of their names; each upstream with a name has its own */
export function oauthVariables(prefix: string) {
  return {
    ...grantVariables(prefix),
    ...endpointVariables(prefix),
    ...clientVariables(prefix),
    ...loginVariables(prefix),
  } as const;
}

/** For SEALPOST_UPSTREAM. */
export const OAUTH_VARIABLES = oauthVariables('SEALPOST_OAUTH');

type OAuthVariables = ReturnType<typeof oauthVariables>;
export type OAuthValues = { readonly [K in keyof OAuthVariables]: ReturnType<OAuthVariables[K]['read']> };

/** @throws the first problem */
export function readOAuth(variables: OAuthVariables, container: Container): OAuthValues {
  return {
    oauthGrant: variables.oauthGrant.read(container),
    oauthTokenUrl: variables.oauthTokenUrl.read(container),
    oauthDeviceUrl: variables.oauthDeviceUrl.read(container),
    oauthAuthorizationUrl: variables.oauthAuthorizationUrl.read(container),
    oauthScope: variables.oauthScope.read(container),
    oauthClientId: variables.oauthClientId.read(container),
    oauthClientSecret: variables.oauthClientSecret.read(container),
    oauthClientAuth: variables.oauthClientAuth.read(container),
    oauthClientCert: variables.oauthClientCert.read(container),
    oauthClientKey: variables.oauthClientKey.read(container),
    oauthRefreshToken: variables.oauthRefreshToken.read(container),
    oauthServiceAccount: variables.oauthServiceAccount.read(container),
  };
}

function grantVariables(prefix: string) {
  return {
    oauthGrant: optional(
      `${prefix}_GRANT`,
      {
        form: '`refresh-token`, `client-credentials` or `service-account`',
        meaning:
          "Logs in upstream with access tokens instead of a password: for somebody who has logged in (`sealpost login`, or SEALPOST_OAUTH_REFRESH_TOKEN), for the client itself (Microsoft's SMTP.SendAsApp), or by a service account that speaks for SEALPOST_UPSTREAM_USER (Google's domain-wide delegation).",
      },
      (variable) => variable.asEnum(GRANTS),
    ),
  } as const;
}

function endpointVariables(prefix: string) {
  return {
    oauthTokenUrl: optional(
      `${prefix}_TOKEN_URL`,
      {
        form: '`https://` URL',
        meaning: 'Where tokens are given out; its certificate is verified against the same trust anchors.',
      },
      (variable) => httpsUrl(variable.asString()),
    ),
    oauthDeviceUrl: optional(
      `${prefix}_DEVICE_URL`,
      {
        form: '`https://` URL',
        meaning: 'For `sealpost login`: where device codes are given out (RFC 8628).',
      },
      (variable) => httpsUrl(variable.asString()),
    ),
    oauthAuthorizationUrl: optional(
      `${prefix}_AUTHORIZATION_URL`,
      {
        form: '`https://` URL',
        meaning: 'For `sealpost login --browser`: where people log in. Its query is kept.',
      },
      (variable) => httpsUrl(variable.asString()),
    ),
    oauthScope: optional(
      `${prefix}_SCOPE`,
      {
        form: 'scopes, separated by blanks',
        meaning: 'What the tokens are asked for; a login needs what makes it last, such as `offline_access`.',
      },
      (variable) => scope(variable.asString()),
    ),
  } as const;
}

function clientVariables(prefix: string) {
  return {
    oauthClientId: optional(
      `${prefix}_CLIENT_ID`,
      { form: 'text', meaning: 'The id that the provider gave to this installation.' },
      (variable) => variable.asString(),
    ),
    oauthClientSecret: optional(
      `${prefix}_CLIENT_SECRET`,
      { form: 'text', meaning: 'The secret of that client.', isSecret: true },
      (variable) => variable.asSecret(),
    ),
    oauthClientAuth: withDefault(
      `${prefix}_CLIENT_AUTH`,
      'post',
      {
        form: '`post` or `basic`',
        meaning: 'Whether that secret goes in the body of a request or in its header (RFC 6749 §2.3.1).',
      },
      (variable) => variable.asEnum(['post', 'basic'] as const),
    ),
    oauthClientCert: optional(
      `${prefix}_CLIENT_CERT_FILE`,
      {
        form: 'path',
        meaning: 'PEM certificate of that client, instead of a secret (private_key_jwt, RFC 7523).',
      },
      (variable) => variable.asTextFile(),
    ),
    oauthClientKey: optional(
      `${prefix}_CLIENT_KEY_FILE`,
      { form: 'path', meaning: 'PEM private key of that certificate, without a passphrase.' },
      (variable) => variable.asTextFile(),
    ),
  } as const;
}

function loginVariables(prefix: string) {
  return {
    oauthRefreshToken: optional(
      `${prefix}_REFRESH_TOKEN`,
      {
        form: 'text',
        meaning:
          'A refresh token got elsewhere, instead of `sealpost login`. Those that the provider gives in its place are kept in SEALPOST_STATE_DIR.',
        isSecret: true,
      },
      (variable) => variable.asSecret(),
    ),
    oauthServiceAccount: optional(
      `${prefix}_SERVICE_ACCOUNT_FILE`,
      { form: 'path', meaning: "The service account's key file, JSON, as Google gives it." },
      (variable) => {
        const json = variable.asTextFile();
        return json === undefined ? undefined : parseServiceAccount(json);
      },
    ),
  } as const;
}

/** @throws {Error} that says what it should be */
function httpsUrl(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:') throw new Error('should be a URL that begins with https://');
  if (url.username !== '' || url.password !== '' || url.hash !== '')
    throw new Error('should be a URL without user, password and fragment');
  return url.href;
}

/** RFC 6749 §3.3. @throws {Error} that says what it should be */
function scope(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const words = text.split(' ').filter((word) => word !== '');
  if (!words.every((word) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(word)))
    throw new Error('should be scopes, separated by blanks');
  if (words.includes('openid')) throw new Error('should not have openid: nobody logs in at the relay');
  return words.join(' ');
}
