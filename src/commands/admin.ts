/**
 * Where a relay tells of itself: at the admin listener, and at a socket that `sealpost health` asks at.
 */
import { AdminListener } from '../admin/admin-listener.ts';
import { healthPages } from '../admin/health-pages.ts';
import type { Page, Pages } from '../admin/page.ts';
import type { Settings } from '../config/settings.ts';
import { packageVersion } from '../config/version.ts';
import type { ObservedLog } from '../log/log.ts';
import { RelayMetrics } from '../metrics/relay-metrics.ts';
import { EXIT } from './exit.ts';
import { reasonNotStarted, type Relaying } from './relay.ts';

export class Admin {
  readonly #settings: Settings;
  readonly #log: ObservedLog;
  readonly #listener: AdminListener | undefined;
  readonly #socket: AdminListener | undefined;

  constructor(settings: Settings, relay: Relaying, log: ObservedLog) {
    const { adminListen, adminSocket: path } = settings;
    const metrics = adminListen === undefined ? [] : metricsPages(relay, log);
    const pages = new Map([...healthPages(relay.health), ...metrics]);
    this.#settings = settings;
    this.#log = log;
    this.#listener = adminListen && new AdminListener(adminListen, pages, log);
    this.#socket = path === undefined ? undefined : new AdminListener({ path }, pages, log);
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

  stop(): void {
    this.#listener?.stop();
    this.#socket?.stop();
  }
}

function metricsPages(relay: Relaying, log: ObservedLog): Pages {
  const metrics = new RelayMetrics(packageVersion());
  log.observe(metrics.observer);
  const page = async (): Promise<Page> => ({
    status: 200,
    contentType: metrics.contentType,
    text: await metrics.text(await relay.measure()),
  });
  return new Map([['/metrics', page]]);
}
