/**
 * Where a relay tells of itself: at the admin listener, and at a socket that `sealpost health` asks at.
 */
import { AdminListener, type AdminPlace } from '../admin/admin-listener.ts';
import { healthPages } from '../admin/health-pages.ts';
import type { Page, Pages } from '../admin/page.ts';
import { statusPages } from '../admin/status/status-pages.ts';
import type { Depth } from '../admin/status/status-stream.ts';
import { Status } from '../admin/status/status.ts';
import { isOnLoopback } from '../config/admin-variables.ts';
import type { Settings } from '../config/settings.ts';
import { packageVersion } from '../config/version.ts';
import type { ObservedLog } from '../log/log.ts';
import type { Measured } from '../metrics/measured-metrics.ts';
import { RelayMetrics } from '../metrics/relay-metrics.ts';
import { EXIT } from './exit.ts';
import { reasonNotStarted, type Relaying } from './relay.ts';

export class Admin {
  readonly #settings: Settings;
  readonly #log: ObservedLog;
  readonly #listener: AdminListener | undefined;
  readonly #socket: AdminListener | undefined;

  constructor(settings: Settings, relay: Relaying, log: ObservedLog) {
    const { adminSocket: path } = settings;
    const health = healthPages(relay.health);
    this.#settings = settings;
    this.#log = log;
    this.#listener = listenerOf(settings, health, relay, log);
    this.#socket = path === undefined ? undefined : new AdminListener({ path }, health, log);
  }

  /** @returns the exit code if the listener could not start; a relay without the socket relays all the same */
  async start(): Promise<number | undefined> {
    const { adminListen, adminSocket: path = '' } = this.#settings;
    const unreachable = await reasonNotStarted(async () => this.#socket?.start());
    if (unreachable !== undefined) this.#log.emit('admin.unreachable', { path, reason: unreachable });
    const reason = await reasonNotStarted(async () => this.#listener?.start());
    if (reason === undefined) return undefined;
    process.stderr.write(
      `sealpost: cannot listen on port ${adminListen?.port} (${reason}); change SEALPOST_ADMIN_LISTEN\n`,
    );
    return EXIT.unavailable;
  }

  /** What is told to whom is that of new settings from now on. */
  renew(settings: Settings): void {
    const place = placeIn(settings);
    if (place !== undefined) this.#listener?.renew(place);
  }

  stop(): void {
    this.#listener?.stop();
    this.#socket?.stop();
  }
}

function listenerOf(
  settings: Settings,
  health: Pages,
  relay: Relaying,
  log: ObservedLog,
): AdminListener | undefined {
  const place = placeIn(settings);
  if (place === undefined) return undefined;
  const pages = new Map([...health, ...metricsPages(relay, log), ...statusOf(settings, relay, log)]);
  return new AdminListener(place, pages, log);
}

function placeIn({ adminListen, adminToken: token, listenIdentity }: Settings): AdminPlace | undefined {
  if (adminListen === undefined) return undefined;
  const identity = isOnLoopback(adminListen.host) ? undefined : listenIdentity;
  return { ...adminListen, token, identity };
}

function metricsPages(relay: Relaying, log: ObservedLog): Pages {
  const metrics = new RelayMetrics(packageVersion());
  log.observe(metrics.observer);
  const page = async (): Promise<Page> => {
    const measured = await relay.measure();
    log.settle();
    return { status: 200, contentType: metrics.contentType, text: await metrics.text(measured) };
  };
  return new Map([['/metrics', page]]);
}

function statusOf({ statusAddresses }: Settings, relay: Relaying, log: ObservedLog): Pages {
  const status = new Status(statusAddresses);
  log.observe(status.observer);
  return statusPages(status, async () => depthOf(await relay.measure()), log);
}

/** The spool is shared, the hops are not. */
function depthOf({ relays }: Measured): Depth {
  const sum = (state: keyof Depth['hops']): number =>
    relays.reduce((total, { hops }) => total + hops[state], 0);
  return {
    spool: relays.find(({ spool }) => spool !== undefined)?.spool,
    hops: { idle: sum('idle'), leased: sum('leased'), opening: sum('opening'), waiting: sum('waiting') },
  };
}
