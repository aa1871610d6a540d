/**
 * Upstreams with a name, and the rules that lead to them: from the variables to settings, and what does not fit together.
 *
 * Guarantees: an upstream has the login, pin and server name that were given to it and those of no other; it has what is
 * said about trust for all of them.
 */
import type { TrustOptions } from '../tls/trust.ts';
import { isRefusal } from '../relay/routes.ts';
import { inWordsOf } from '../relay/upstream-words.ts';
import type { Problem } from './environment.ts';
import { upstreamNamesIn, upstreamVariables } from './named-upstream-variables.ts';
import { oauthFaults } from './oauth-account.ts';
import { readOAuth } from './oauth-variables.ts';
import { ROUTE_VARIABLES } from './route-variables.ts';
import type { Values } from './table.ts';
import { destinationsOf, loginFaults, trustFaults, trustOptionsOf, type Destination } from './targets.ts';
import type { UpstreamEntry } from './upstream-list.ts';
import type { Container } from './variable.ts';

const ROUTES = ROUTE_VARIABLES.routes.name;

type NamedVariables = ReturnType<typeof upstreamVariables>;

/** An upstream with a name, as its variables have it. */
export type NamedValues = { readonly [K in keyof NamedVariables]: ReturnType<NamedVariables[K]['read']> } & {
  readonly name: string;
};

/** One of several upstreams. */
export interface NamedDestinations {
  /** Upper case. */
  readonly name: string;
  /** In order of preference, at least one. */
  readonly destinations: readonly Destination[];
  readonly trust: TrustOptions;
}

/** @throws the first problem */
export function readNamedUpstreams(container: Container): readonly NamedValues[] {
  return upstreamNamesIn(container).map((name) => {
    const variables = upstreamVariables(name);
    return {
      name,
      provider: variables.provider.read(container),
      upstreams: variables.upstreams.read(container),
      upstreamUser: variables.upstreamUser.read(container),
      upstreamPassword: variables.upstreamPassword.read(container),
      upstreamAuth: variables.upstreamAuth.read(container),
      caAnchors: variables.caAnchors.read(container),
      pins: variables.pins.read(container),
      serverName: variables.serverName.read(container),
      ...readOAuth(variables, container),
    };
  });
}

export function namedDestinationsOf(
  named: readonly NamedValues[],
  values: Values,
): readonly NamedDestinations[] {
  return named.map((one) => {
    const own = valuesFor(one, values);
    const caps = one.provider?.caps;
    const destinations = destinationsOf(own).map((destination) => ({ ...destination, caps }));
    return { name: one.name, destinations, trust: trustOptionsOf(own) };
  });
}

/** The entries of each, by variable. */
export function namedEntriesOf(
  named: readonly NamedValues[],
): readonly (readonly [string, readonly UpstreamEntry[]])[] {
  return named.map(({ name, upstreams }) => [upstreamVariables(name).upstreams.name, upstreams] as const);
}

/** What does not fit together in the rules and the upstreams that they lead to. */
export function routingFaults(named: readonly NamedValues[], values: Values): readonly Problem[] {
  const { routes = [], clientAuth } = values;
  const isChoice = named.length > 0 || routes.length > 0;
  if (isChoice && clientAuth === 'passthrough') {
    const text =
      'should not be passthrough with several upstreams: a client logs in before its mail tells which';
    return [{ variable: 'SEALPOST_CLIENT_AUTH', text }];
  }
  const faults = routes.flatMap(({ line, users, verdict }) => {
    if (users !== undefined && clientAuth !== 'users')
      return [`line ${line}: user= needs SEALPOST_CLIENT_AUTH=users`];
    const name = isRefusal(verdict) ? undefined : verdict.name;
    if (name === undefined || named.some((one) => one.name === name)) return [];
    return [`line ${line}: ${name} needs ${urlVariable(name)}`];
  });
  return [
    ...named.flatMap((one) => upstreamFaults(one, values)),
    ...(faults.length === 0 ? [] : [{ variable: ROUTES, text: faults.join('; ') }]),
  ];
}

function upstreamFaults(one: NamedValues, values: Values): readonly Problem[] {
  const own = valuesFor(one, values);
  return [...loginFaults(own), ...oauthFaults(own), ...trustFaults(own)].map(({ variable, text }) => ({
    variable: inWordsOf(one.name, variable),
    text: inWordsOf(one.name, text),
  }));
}

/** Upstreams that no rule leads to. */
export function idleUpstreams(named: readonly NamedValues[], { routes = [] }: Values): readonly Problem[] {
  const used = routes.flatMap(({ verdict }) => (isRefusal(verdict) ? [] : verdict.name));
  const idle = named.filter(({ name }) => !used.includes(name));
  return idle.map(({ name }) => ({
    variable: urlVariable(name),
    text: `has no effect: no rule of ${ROUTES} leads there`,
  }));
}

function urlVariable(name: string): string {
  return upstreamVariables(name).upstreams.name;
}

/** It says who we are to the upstream that it was given for. */
const NOT_SHARED = {
  clientCert: undefined,
  clientKey: undefined,
  clientPkcs12: undefined,
  clientPassphrase: undefined,
} as const;

/** The variables as if that upstream were the only one. */
function valuesFor({ caAnchors, ...own }: NamedValues, values: Values): Values {
  const anchors = [...(values.caAnchors ?? []), ...(caAnchors ?? [])];
  return { ...values, ...NOT_SHARED, ...own, caAnchors: anchors.length === 0 ? undefined : anchors };
}
