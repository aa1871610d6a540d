/**
 * One sentence for each reason why the relay could not log in upstream: what is wrong, and what to change.
 */
import type { Failure } from '../protocol/failure.ts';
import { replyText } from '../protocol/reply.ts';

const FIX = 'check SEALPOST_UPSTREAM_USER and SEALPOST_UPSTREAM_PASSWORD';

type AuthFailure = Failure & { readonly kind: 'auth' };

export function authSentence(failure: AuthFailure): string {
  const { reason, reply, mechanism = 'AUTH', detail } = failure;
  if (reply !== undefined && reply.code < 500)
    return `The upstream does not log the relay in at present; it said: ${replyText(reply)}`;
  if (reply !== undefined)
    return `${refused(mechanism)}; it said: ${replyText(reply)}${detail === undefined ? '' : ` (${detail})`}`;
  if (reason === 'no-common-mechanism')
    return `The upstream offers no way to log in that the relay knows; ${FIX} and SEALPOST_UPSTREAM_AUTH.`;
  if (reason.startsWith('token-')) return tokenSentence(reason, detail);
  if (reason.endsWith('-not-preparable'))
    return `The user name or password has characters that ${mechanism} cannot carry; ${FIX}.`;
  if (reason.startsWith('server-error')) return `${refused(mechanism)}.`;
  return `The upstream did not prove with ${mechanism} that it knows the password (${reason}); it may not be the real one, or it is broken.`;
}

/** Servers offer mechanisms that need another form of the password than the one they keep; a false one says the same. */
function refused(mechanism: string): string {
  if (mechanism === 'XOAUTH2' || mechanism === 'OAUTHBEARER')
    return `The upstream refused the relay's access token (${mechanism}), check that SEALPOST_UPSTREAM_USER may send by SMTP with it, and SEALPOST_OAUTH_SCOPE`;
  const hint = /^(?:SCRAM|CRAM)-/.test(mechanism)
    ? `${FIX}, or, if it is surely the right server, try SEALPOST_UPSTREAM_AUTH=PLAIN`
    : FIX;
  return `The upstream refused the relay's credentials (${mechanism}), ${hint}`;
}

/** Why there is no access token: the words are those of oauth/token-error.ts. */
function tokenSentence(reason: string, detail = ''): string {
  const said = detail === '' ? '' : ` (${detail})`;
  switch (reason) {
    case 'token-endpoint-unreachable':
      return `The token endpoint of the upstream's provider could not be reached${said}; check SEALPOST_OAUTH_TOKEN_URL and the network.`;
    case 'token-endpoint-insecure':
      return `The token endpoint of the upstream's provider did not prove who it is${said}, so nothing was sent to it; check SEALPOST_OAUTH_TOKEN_URL and SEALPOST_TLS_CA_FILE.`;
    case 'token-endpoint-failed':
      return `The token endpoint of the upstream's provider gives no token at present${said}; it is asked again.`;
    case 'token-login-missing':
      return 'The relay has no login for the upstream yet; run: sealpost login';
    case 'token-login-refused':
      return `The provider does not accept the relay's login any more${said}; run sealpost login again, or renew what SEALPOST_OAUTH_GRANT uses.`;
    case 'token-client-refused':
      return `The provider does not accept the relay as a client${said}; check SEALPOST_OAUTH_CLIENT_ID and whether its secret or certificate has expired.`;
    case 'token-scope-refused':
      return `The provider does not give what SEALPOST_OAUTH_SCOPE asks for${said}.`;
    case 'token-state-unusable':
      return `The relay cannot use the file of its login${said}; check SEALPOST_STATE_DIR, or run sealpost login again.`;
    case 'token-not-sendable':
      return 'The access token or the user name is too long for AUTH, or has characters that it cannot carry; check SEALPOST_UPSTREAM_USER and SEALPOST_OAUTH_SCOPE.';
    default:
      return `The provider refused to give an access token${said}; check the SEALPOST_OAUTH_ variables.`;
  }
}
