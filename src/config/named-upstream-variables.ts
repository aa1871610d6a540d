/**
 * Variables about upstreams that have a name: SEALPOST_UPSTREAM_<NAME>_URL and those that go with it.
 */
import type { MechanismName } from '../upstream/sasl/mechanism.ts';
import { oauthVariables } from './oauth-variables.ts';
import { isUpstreamName } from './route-rules.ts';
import { optional, required, type Container, type Variable } from './variable.ts';

const PREFIX = 'SEALPOST_UPSTREAM_';

/** @param name upper case */
export function upstreamVariables(name: string) {
  const own = `${PREFIX}${name}`;
  return {
    provider: optional(
      `${own}_PROVIDER`,
      {
        form: 'as `SEALPOST_PROVIDER`',
        meaning:
          'Instead of its URL, or beside it: the provider that this upstream is. What it allows of connections, messages a session and the time of one holds for this upstream alone.',
      },
      (variable) => variable.asProvider(),
    ),
    upstreams: required(
      `${own}_URL`,
      {
        form: 'as `SEALPOST_UPSTREAM`',
        meaning:
          'An upstream with a name (letters and digits), for SEALPOST_ROUTES. The trust settings for all count for it too, but for pin, server name and client certificate; of logins it has its own only.',
        isSecret: true,
      },
      (variable) => variable.asUpstreams(),
    ),
    upstreamUser: optional(
      `${own}_USER`,
      { form: 'text', meaning: 'User name for that upstream.' },
      (variable) => variable.asSaslText(),
    ),
    upstreamPassword: optional(
      `${own}_PASSWORD`,
      { form: 'text', meaning: 'Password for that upstream; offered to no other.', isSecret: true },
      (variable) => variable.asSecret(),
    ),
    upstreamAuth: optional(
      `${own}_AUTH`,
      { form: 'as `SEALPOST_UPSTREAM_AUTH`', meaning: 'The mechanisms that may be used, but `EXTERNAL`.' },
      (variable) => withoutCertificates(variable.asMechanisms()),
    ),
    caAnchors: optional(
      `${own}_CA_FILE`,
      { form: 'path', meaning: 'PEM trust anchors for that upstream alone, added to those for all.' },
      (variable) => variable.asAnchorFile(),
    ),
    pins: optional(
      `${own}_PIN_SHA256`,
      { form: 'as `SEALPOST_TLS_PIN_SHA256`', meaning: 'The keys that upstream may have.' },
      (variable) => variable.asPins(),
    ),
    serverName: optional(
      `${own}_SERVER_NAME`,
      { form: 'host name or address', meaning: 'The name that upstream proves, when it is not its host.' },
      (variable) => variable.asReference(),
    ),
    ...oauthVariables(`${own}_OAUTH`),
  } as const;
}

/** The names for which any variable is set, in the order of the alphabet. */
export function upstreamNamesIn(container: Container): readonly string[] {
  const names = Object.keys(container).flatMap((variable) => upstreamNameIn(variable) ?? []);
  return [...new Set(names)].toSorted();
}

/** All variables of all these. */
export function namedVariablesIn(container: Container): readonly Variable<unknown>[] {
  return upstreamNamesIn(container).flatMap((name) => Object.values(upstreamVariables(name)));
}

/** The variables of the upstream that a variable names, whether or not there is one of that name. */
export function variablesBeside(variable: string): readonly Variable<unknown>[] {
  const name = upstreamNameIn(variable);
  return name === undefined ? [] : Object.values(upstreamVariables(name));
}

function upstreamNameIn(variable: string): string | undefined {
  const name = /^([A-Z0-9]+)_./.exec(variable.startsWith(PREFIX) ? variable.slice(PREFIX.length) : '')?.[1];
  return name !== undefined && isUpstreamName(name) ? name : undefined;
}

function withoutCertificates(
  names: readonly MechanismName[] | undefined,
): readonly MechanismName[] | undefined {
  if (names?.includes('EXTERNAL') === true)
    throw new Error('should have no EXTERNAL: the client certificate is for SEALPOST_UPSTREAM');
  return names;
}
