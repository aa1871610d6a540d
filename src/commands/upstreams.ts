/**
 * From the settings to targets that hops can be opened to, and to what opens them.
 */
import { forgetForeignTrust } from '../config/environment.ts';
import type { WrittenRule } from '../config/route-rules.ts';
import type { Settings } from '../config/settings.ts';
import type { NameService } from '../dns/answer.ts';
import { ValidatingResolver } from '../dns/resolver.ts';
import { SystemResolver } from '../dns/system-resolver.ts';
import type { Log } from '../log/log.ts';
import type { Destination, DestinationCredentials } from '../config/targets.ts';
import type { OAuthAccount } from '../oauth/account.ts';
import { RenewingToken } from '../oauth/renewing-token.ts';
import { isRefusal, RouteTable, type Route, type Verdict } from '../relay/routes.ts';
import { httpsFetch } from '../tls/https-fetch.ts';
import { Trust } from '../tls/trust.ts';
import type { HopSurroundings } from '../upstream/open-way.ts';
import { StallMemory } from '../upstream/stall-memory.ts';
import type { Credentials, Target } from '../upstream/target.ts';

export interface Upstreams {
  /** In order of preference. */
  readonly targets: readonly Target[];
  /** Those with a name. */
  readonly named: readonly Route[];
  readonly routes: RouteTable;
  readonly around: HopSurroundings;
  /** The one that the operator named, if any. */
  readonly validating: ValidatingResolver | undefined;
  /** Resolves when nothing is on its way that has to be stored. */
  readonly settled: () => Promise<void>;
}

export function upstreamsOf(settings: Settings, log: Log): Upstreams {
  const { destinations, hostname, connectMs, commandMs, finalMs, dnsResolver } = settings;
  forgetForeignTrust();
  const trust = new Trust(settings.trust);
  // The client certificate is for the upstream, not for the resolver, nor for a token endpoint.
  const validating =
    dnsResolver === undefined ? undefined : new ValidatingResolver(dnsResolver, trust.anonymous);
  const machine = new SystemResolver();
  const resolver: NameService = validating ?? machine;
  const made = new Map<OAuthAccount, RenewingToken>();
  const tokensOf = tokenSources(made, trust.anonymous, log);
  const targetOf = ({ credentials, ...destination }: Destination, itsTrust: Trust): Target => ({
    ...destination,
    trust: itsTrust,
    credentials: credentials === undefined ? undefined : withTokens(credentials, tokensOf),
  });
  const targets = destinations.map((destination) => targetOf(destination, trust));
  const named = settings.namedUpstreams.map((one): Route => {
    const itsTrust = new Trust(one.trust);
    return {
      name: one.name,
      targets: one.destinations.map((destination) => targetOf(destination, itsTrust)),
    };
  });
  return {
    targets,
    named,
    routes: routeTableOf(settings.routes, { name: undefined, targets }, named),
    around: {
      settings: { hostname, timeouts: { connectMs, commandMs, finalMs } },
      names: { resolver, machine },
      stalls: new StallMemory(),
      log,
    },
    validating,
    settled: async () => {
      await Promise.all([...made.values()].map(async (tokens) => tokens.settled()));
    },
  };
}

/** @param fallback where mail goes that no rule matches */
function routeTableOf(rules: readonly WrittenRule[], fallback: Route, named: readonly Route[]): RouteTable {
  const routeOf = ({ verdict }: WrittenRule): Verdict => {
    if (isRefusal(verdict)) return verdict;
    const route = [fallback, ...named].find(({ name }) => name === verdict.name);
    if (route === undefined) throw new TypeError('a route to an upstream that is not configured');
    return route;
  };
  return new RouteTable(
    fallback,
    rules.map((rule) => ({ ...rule, verdict: routeOf(rule) })),
  );
}

type TokenSources = (account: OAuthAccount) => RenewingToken;

/** One for each account, whatever number of targets has it. */
function tokenSources(made: Map<OAuthAccount, RenewingToken>, trust: Trust, log: Log): TokenSources {
  return (account) => {
    const known = made.get(account) ?? new RenewingToken(account, { fetch: httpsFetch(trust), log });
    made.set(account, known);
    return known;
  };
}

function withTokens(credentials: DestinationCredentials, tokensOf: TokenSources): Credentials {
  if (credentials.kind !== 'token') return credentials;
  const { account, mechanisms } = credentials;
  return { kind: 'token', user: account.user, tokens: tokensOf(account), mechanisms };
}
