/**
 * Which mechanism speaks for us: the strongest that the server offers and the operator allows.
 *
 * Guarantees: the choice depends on what was offered inside TLS and on the settings, never on an earlier refusal: a
 * failure makes no later attempt weaker.
 */
import type { Secret } from '../../protocol/secret.ts';
import type { ChannelBinding } from '../../tls/channel-binding.ts';
import type { Credentials } from '../target.ts';
import { cramMd5 } from './cram-md5.ts';
import { external } from './external.ts';
import { login } from './login.ts';
import {
  MECHANISM_NAMES,
  takesPassword,
  takesToken,
  type Mechanism,
  type MechanismName,
  type PasswordMechanismName,
} from './mechanism.ts';
import { oauthbearer } from './oauthbearer.ts';
import { plain } from './plain.ts';
import { scram, type BindingClaim } from './scram.ts';
import { xoauth2 } from './xoauth2.ts';

type PasswordCredentials = Credentials & { readonly kind: 'password' };
type TokenCredentials = Credentials & { readonly kind: 'token' };

/**
 * @param offered upper case
 * @param binding of this session; undefined when it has none
 * @returns 'certificate-alone' when the handshake was all the authentication there is; undefined when none fits
 * @throws {SaslError} when user or password cannot be said in the mechanism
 */
export function chooseMechanism(
  offered: readonly string[],
  credentials: Exclude<Credentials, TokenCredentials>,
  binding: ChannelBinding | undefined,
): Mechanism | 'certificate-alone' | undefined {
  if (credentials.kind === 'certificate') {
    if (offered.includes('EXTERNAL')) return external(credentials.user);
    return credentials.isRequired ? undefined : 'certificate-alone';
  }
  const allowed = credentials.mechanisms ?? MECHANISM_NAMES;
  const name = MECHANISM_NAMES.filter(takesPassword).find(
    (one) => allowed.includes(one) && offered.includes(one) && (binding !== undefined || !isBound(one)),
  );
  if (name === undefined) return undefined;
  return withPassword(name, credentials, () => claimFor(name, { offered, allowed, binding }));
}

/**
 * The same for an access token, which is not there before it is known that it can be said.
 *
 * @returns undefined when none fits
 */
export function chooseTokenMechanism(
  offered: readonly string[],
  { user, mechanisms: allowed = MECHANISM_NAMES }: TokenCredentials,
): ((token: Secret) => Mechanism) | undefined {
  const name = MECHANISM_NAMES.filter(takesToken).find(
    (one) => allowed.includes(one) && offered.includes(one),
  );
  switch (name) {
    case undefined:
      return undefined;
    case 'OAUTHBEARER':
      return (token) => oauthbearer({ user, token });
    case 'XOAUTH2':
      return (token) => xoauth2({ user, token });
  }
}

function withPassword(
  name: PasswordMechanismName,
  credentials: PasswordCredentials,
  claim: () => BindingClaim,
): Mechanism {
  switch (name) {
    case 'SCRAM-SHA-256-PLUS':
    case 'SCRAM-SHA-1-PLUS':
    case 'SCRAM-SHA-256':
    case 'SCRAM-SHA-1':
      return scram(name, credentials, claim());
    case 'CRAM-MD5':
      return cramMd5(credentials);
    case 'PLAIN':
      return plain(credentials);
    case 'LOGIN':
      return login(credentials);
  }
}

interface Circumstances {
  readonly offered: readonly string[];
  readonly allowed: readonly MechanismName[];
  readonly binding: ChannelBinding | undefined;
}

/**
 * RFC 5802 §6: `y` says that the server offered no binding, so that one that did finds out who took it from the list. It
 * must not be said to a server that offered a form which the operator does not allow.
 */
function claimFor(name: MechanismName, { offered, allowed, binding }: Circumstances): BindingClaim {
  if (binding === undefined || !allowed.some(isBound)) return 'cannot-bind';
  if (isBound(name)) return binding;
  return offered.some((one) => one.startsWith('SCRAM-') && isBound(one)) ? 'cannot-bind' : 'offered-none';
}

function isBound(name: string): boolean {
  return name.endsWith('-PLUS');
}
