/**
 * From the settings to targets that hops can be opened to, and to what opens them.
 */
import { forgetForeignTrust } from '../config/environment.ts';
import type { NamedDestinations } from '../config/named-destinations.ts';
import type { WrittenRule } from '../config/route-rules.ts';
import type { Settings } from '../config/settings.ts';
import type { Destination } from '../config/targets.ts';
import { ValidatingResolver } from '../dns/resolver.ts';
import { SystemResolver } from '../dns/system-resolver.ts';
import type { Log } from '../log/log.ts';
import type { OAuthAccount } from '../oauth/account.ts';
import { RenewingToken } from '../oauth/renewing-token.ts';
import { isRefusal, RouteTable, type Route, type Verdict } from '../relay/routes.ts';
import { httpsFetch } from '../tls/https-fetch.ts';
import { Trust, type TrustOptions } from '../tls/trust.ts';
import type { HopCaps } from '../upstream/habits.ts';
import type { HopSurroundings } from '../upstream/open-way.ts';
import { StallMemory } from '../upstream/stall-memory.ts';
import type { Target, TokenSource } from '../upstream/target.ts';
import { Kept } from './kept.ts';
import { ALONE, shareOf, type WorkerNumber } from './worker-share.ts';

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
  /** For the next time that they are made. */
  readonly kept: KeptUpstreams;
  /** What there was before and is not any more. */
  readonly gone: readonly Target[];
}

interface Surroundings {
  /** Of how many processes this is one; it keeps to its share of what an upstream allows. */
  readonly part?: WorkerNumber;
  /** What was made of other settings; what is still the same is kept, with its hops and its token. */
  readonly before?: KeptUpstreams;
}

export function upstreamsOf(
  settings: Settings,
  log: Log,
  { part = ALONE, before }: Surroundings = {},
): Upstreams {
  const { hostname, connectMs, commandMs, finalMs, dnsResolver: address } = settings;
  forgetForeignTrust();
  const kept = new KeptUpstreams(before);
  const trustOf = (options: TrustOptions): Trust => kept.trusts.of(options, () => new Trust(options));
  // The client certificate is for the upstream, not for the resolver, nor for a token endpoint.
  const anonymous = trustOf({ ...settings.trust, clientIdentity: undefined });
  const validating =
    address && kept.resolvers.of({ address, anonymous }, () => new ValidatingResolver(address, anonymous));
  const machine = new SystemResolver();
  const tokensOf: TokenSources = (account) =>
    kept.tokens.of(
      { account, anonymous },
      () => new RenewingToken(account, { fetch: httpsFetch(anonymous), log }),
    );
  const routeOf = ({ name, destinations, trust }: RouteSettings): Route => {
    const targets = destinations.map((destination) => {
      const caps = shareOfCaps(destination.caps, part);
      const target = targetOf({ ...destination, caps }, trustOf(trust), tokensOf);
      return kept.targets.of(target, () => target);
    });
    return kept.routes.of({ name, targets }, () => ({ name, targets }));
  };
  const fallback = routeOf({ ...settings, name: undefined });
  const named = settings.namedUpstreams.map(routeOf);
  return {
    targets: fallback.targets,
    named,
    routes: routeTableOf(settings.routes, fallback, named),
    around: {
      settings: { hostname, timeouts: { connectMs, commandMs, finalMs } },
      names: { resolver: validating ?? machine, machine },
      stalls: new StallMemory(),
      log,
    },
    validating,
    settled: async () => kept.settled(),
    kept,
    gone: kept.settle(),
  };
}

/** What an upstream is made of. */
type RouteSettings = Omit<NamedDestinations, 'name'> & Pick<Route, 'name'>;

type TokenSources = (account: OAuthAccount) => TokenSource;

function targetOf({ credentials, ...rest }: Destination, trust: Trust, tokensOf: TokenSources): Target {
  if (credentials?.kind !== 'token') return { ...rest, trust, credentials };
  const { account, mechanisms } = credentials;
  const tokens = tokensOf(account);
  return { ...rest, trust, credentials: { kind: 'token', user: account.user, tokens, mechanisms } };
}

/** Each process needs one connection and one message at least. */
function shareOfCaps(caps: HopCaps | undefined, part: WorkerNumber): HopCaps | undefined {
  if (caps === undefined) return undefined;
  const { max, messagesPerMinute: perMinute } = caps;
  return {
    ...caps,
    ...(max === undefined ? {} : { max: Math.max(1, shareOf(max, part)) }),
    ...(perMinute === undefined ? {} : { messagesPerMinute: Math.max(1, shareOf(perMinute, part)) }),
  };
}

/** What hops depend on, each in as many pieces as there are. */
class KeptUpstreams {
  readonly trusts: Kept<TrustOptions, Trust>;
  readonly resolvers: Kept<object, ValidatingResolver>;
  readonly tokens: Kept<object, RenewingToken>;
  readonly targets: Kept<Target, Target>;
  readonly routes: Kept<Route, Route>;

  /** What those before had on its way. */
  readonly #unsettled: Promise<void> | undefined;

  constructor(before?: KeptUpstreams) {
    this.#unsettled = before?.settled();
    this.trusts = new Kept(before?.trusts);
    this.resolvers = new Kept(before?.resolvers);
    this.tokens = new Kept(before?.tokens);
    this.targets = new Kept(before?.targets);
    this.routes = new Kept(before?.routes);
  }

  /** Resolves when nothing is on its way that has to be stored. */
  async settled(): Promise<void> {
    await this.#unsettled;
    await Promise.all(this.tokens.things.map(async (one) => one.settled()));
  }

  /** @returns the targets that there were before and are not any more */
  settle(): readonly Target[] {
    for (const kept of [this.trusts, this.resolvers, this.tokens, this.routes]) kept.settle();
    return this.targets.settle();
  }
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
