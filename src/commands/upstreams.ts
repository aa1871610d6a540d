/**
 * From the settings to targets that hops can be opened to, and to what opens them.
 */
import { forgetForeignTrust } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import type { NameService } from '../dns/answer.ts';
import { ValidatingResolver } from '../dns/resolver.ts';
import { SystemResolver } from '../dns/system-resolver.ts';
import type { Log } from '../log/log.ts';
import { Trust } from '../tls/trust.ts';
import type { HopSurroundings } from '../upstream/open-way.ts';
import { StallMemory } from '../upstream/stall-memory.ts';
import type { Target } from '../upstream/target.ts';

export interface Upstreams {
  /** In order of preference. */
  readonly targets: readonly Target[];
  readonly around: HopSurroundings;
  /** The one that the operator named, if any. */
  readonly validating: ValidatingResolver | undefined;
}

export function upstreamsOf(settings: Settings, log: Log): Upstreams {
  const { destinations, hostname, connectMs, commandMs, finalMs, dnsResolver } = settings;
  forgetForeignTrust();
  const trust = new Trust(settings.trust);
  // The client certificate is for the upstream, not for the resolver.
  const validating =
    dnsResolver === undefined ? undefined : new ValidatingResolver(dnsResolver, trust.anonymous);
  const machine = new SystemResolver();
  const resolver: NameService = validating ?? machine;
  return {
    targets: destinations.map((destination) => ({ ...destination, trust })),
    around: {
      settings: { hostname, timeouts: { connectMs, commandMs, finalMs } },
      names: { resolver, machine },
      stalls: new StallMemory(),
      log,
    },
    validating,
  };
}
