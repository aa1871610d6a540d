/**
 * Variables about access tokens for the upstream (OAuth 2.0).
 */
import { parseServiceAccount } from '../oauth/service-account.ts';
import { optional, withDefault } from './variable.ts';

export const GRANTS = ['refresh-token', 'client-credentials', 'service-account'] as const;

export const OAUTH_VARIABLES = {
  oauthGrant: optional(
    'SEALPOST_OAUTH_GRANT',
    {
      form: '`refresh-token`, `client-credentials` or `service-account`',
      meaning:
        "Logs in upstream with access tokens instead of a password: for somebody who has logged in (`sealpost login`, or SEALPOST_OAUTH_REFRESH_TOKEN), for the client itself (Microsoft's SMTP.SendAsApp), or by a service account that speaks for SEALPOST_UPSTREAM_USER (Google's domain-wide delegation).",
    },
    (variable) => variable.asEnum(GRANTS),
  ),
  oauthTokenUrl: optional(
    'SEALPOST_OAUTH_TOKEN_URL',
    {
      form: '`https://` URL',
      meaning: 'Where tokens are given out; its certificate is verified against the same trust anchors.',
    },
    (variable) => httpsUrl(variable.asString()),
  ),
  oauthDeviceUrl: optional(
    'SEALPOST_OAUTH_DEVICE_URL',
    { form: '`https://` URL', meaning: 'For `sealpost login`: where device codes are given out (RFC 8628).' },
    (variable) => httpsUrl(variable.asString()),
  ),
  oauthAuthorizationUrl: optional(
    'SEALPOST_OAUTH_AUTHORIZATION_URL',
    {
      form: '`https://` URL',
      meaning: 'For `sealpost login --browser`: where people log in. Its query is kept.',
    },
    (variable) => httpsUrl(variable.asString()),
  ),
  oauthScope: optional(
    'SEALPOST_OAUTH_SCOPE',
    {
      form: 'scopes, separated by blanks',
      meaning: 'What the tokens are asked for; a login needs what makes it last, such as `offline_access`.',
    },
    (variable) => scope(variable.asString()),
  ),
  oauthClientId: optional(
    'SEALPOST_OAUTH_CLIENT_ID',
    { form: 'text', meaning: 'The id that the provider gave to this installation.' },
    (variable) => variable.asString(),
  ),
  oauthClientSecret: optional(
    'SEALPOST_OAUTH_CLIENT_SECRET',
    { form: 'text', meaning: 'The secret of that client.', isSecret: true },
    (variable) => variable.asSecret(),
  ),
  oauthClientAuth: withDefault(
    'SEALPOST_OAUTH_CLIENT_AUTH',
    'post',
    {
      form: '`post` or `basic`',
      meaning: 'Whether that secret goes in the body of a request or in its header (RFC 6749 §2.3.1).',
    },
    (variable) => variable.asEnum(['post', 'basic'] as const),
  ),
  oauthClientCert: optional(
    'SEALPOST_OAUTH_CLIENT_CERT_FILE',
    {
      form: 'path',
      meaning: 'PEM certificate of that client, instead of a secret (private_key_jwt, RFC 7523).',
    },
    (variable) => variable.asTextFile(),
  ),
  oauthClientKey: optional(
    'SEALPOST_OAUTH_CLIENT_KEY_FILE',
    { form: 'path', meaning: 'PEM private key of that certificate, without a passphrase.' },
    (variable) => variable.asTextFile(),
  ),
  oauthRefreshToken: optional(
    'SEALPOST_OAUTH_REFRESH_TOKEN',
    {
      form: 'text',
      meaning:
        'A refresh token got elsewhere, instead of `sealpost login`. Those that the provider gives in its place are kept in SEALPOST_STATE_DIR.',
      isSecret: true,
    },
    (variable) => variable.asSecret(),
  ),
  oauthServiceAccount: optional(
    'SEALPOST_OAUTH_SERVICE_ACCOUNT_FILE',
    { form: 'path', meaning: "The service account's key file, JSON, as Google gives it." },
    (variable) => {
      const json = variable.asTextFile();
      return json === undefined ? undefined : parseServiceAccount(json);
    },
  ),
} as const;

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
