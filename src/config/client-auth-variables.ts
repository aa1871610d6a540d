/**
 * Variables about how clients log in, and about clients that know only old TLS.
 */
import { parseUserFile, type ClientUsers } from '../listener/user-file.ts';
import { takesPassword } from '../upstream/sasl/mechanism.ts';
import type { Problem } from './environment.ts';
import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

export const CLIENT_AUTH_VARIABLES = {
  clientAuth: withDefault(
    'SEALPOST_CLIENT_AUTH',
    'none',
    {
      form: '`none`, `any`, `users` or `passthrough`',
      meaning:
        '`any` offers AUTH PLAIN and LOGIN and accepts whatever comes, for devices that insist. `users` takes mail only from the users of `SEALPOST_CLIENT_USERS_FILE`. `passthrough` logs in at the upstream with the name and password of the client, which are kept nowhere, and gives the client its answer. Beyond loopback a login needs TLS on the listener.',
    },
    (variable) => variable.asEnum(['none', 'any', 'users', 'passthrough'] as const),
  ),
  clientUsers: optional(
    'SEALPOST_CLIENT_USERS_FILE',
    {
      form: 'path',
      meaning:
        'With `users`: a line `name:hash` for each, as `sealpost hash-password NAME` prints it; or `name:{PLAIN}secret` for clients that know only CRAM-MD5, which is offered when there is such a line: some others prefer it then and need such a line too. Lines that begin with `#` do not count. Read at the start and at SIGHUP.',
    },
    (variable): ClientUsers | undefined => {
      const text = variable.asTextFile();
      return text === undefined ? undefined : parseUserFile(text);
    },
  ),
  clientAuthClearNetworks: optional(
    'SEALPOST_CLIENT_AUTH_CLEAR_NETWORKS',
    {
      form: 'CIDRs, comma-separated',
      meaning:
        'Networks besides loopback whose clients may log in without TLS: everybody on the way can read their passwords.',
    },
    (variable) => variable.asNetworks(),
  ),
  oldTlsNetworks: optional(
    'SEALPOST_LISTEN_OLD_TLS_NETWORKS',
    {
      form: 'CIDRs, comma-separated',
      meaning:
        'Networks whose clients may use TLS 1.0 and 1.1 on listeners that speak TLS, for devices that know nothing newer; never on the way to the upstream.',
    },
    (variable) => variable.asNetworks(),
  ),
} as const;

export function readClientAuth(container: Container): Pick<Values, keyof typeof CLIENT_AUTH_VARIABLES> {
  return {
    clientAuth: CLIENT_AUTH_VARIABLES.clientAuth.read(container),
    clientUsers: CLIENT_AUTH_VARIABLES.clientUsers.read(container),
    clientAuthClearNetworks: CLIENT_AUTH_VARIABLES.clientAuthClearNetworks.read(container),
    oldTlsNetworks: CLIENT_AUTH_VARIABLES.oldTlsNetworks.read(container),
  };
}

/** What would be set and never used, or is missing. */
export function clientAuthFaults(values: Values): readonly Problem[] {
  const { clientAuth, clientUsers, clientAuthClearNetworks, oldTlsNetworks, listenTls, listenStarttls } =
    values;
  const found: Problem[] = [];
  const must = (isWrong: boolean, variable: string, text: string): void => {
    if (isWrong) found.push({ variable, text });
  };
  must(
    clientAuth === 'users' && clientUsers === undefined,
    'SEALPOST_CLIENT_USERS_FILE',
    'is required with SEALPOST_CLIENT_AUTH=users',
  );
  must(
    clientAuth !== 'users' && clientUsers !== undefined,
    'SEALPOST_CLIENT_USERS_FILE',
    'should be set only with SEALPOST_CLIENT_AUTH=users',
  );
  must(
    clientAuth === 'none' && clientAuthClearNetworks !== undefined,
    'SEALPOST_CLIENT_AUTH_CLEAR_NETWORKS',
    'should be set only when SEALPOST_CLIENT_AUTH is not none',
  );
  must(
    oldTlsNetworks !== undefined && listenTls === undefined && !listenStarttls,
    'SEALPOST_LISTEN_OLD_TLS_NETWORKS',
    'should be set only with SEALPOST_LISTEN_TLS or SEALPOST_LISTEN_STARTTLS',
  );
  return found;
}

/** Where clients log in with what is their own, the relay has no login. */
export function passthroughFaults(values: Values): readonly Problem[] {
  const found: Problem[] = [];
  const mustNot = (isSet: boolean, variable: string): void => {
    if (isSet) found.push({ variable, text: 'should not be set with SEALPOST_CLIENT_AUTH=passthrough' });
  };
  mustNot(values.upstreamUser !== undefined, 'SEALPOST_UPSTREAM_USER');
  mustNot(values.upstreamPassword !== undefined, 'SEALPOST_UPSTREAM_PASSWORD');
  mustNot(values.oauthGrant !== undefined, 'SEALPOST_OAUTH_GRANT');
  mustNot(values.routes !== undefined, 'SEALPOST_ROUTES');
  if (values.upstreams.some(({ login }) => login !== undefined)) {
    const text = 'should have no password with SEALPOST_CLIENT_AUTH=passthrough';
    found.push({ variable: 'SEALPOST_UPSTREAM', text });
  }
  if (values.upstreamAuth?.every((mechanism) => !takesPassword(mechanism)) === true) {
    const text = 'should have a mechanism that takes a password with SEALPOST_CLIENT_AUTH=passthrough';
    found.push({ variable: 'SEALPOST_UPSTREAM_AUTH', text });
  }
  return found;
}
