/**
 * A spool with its own runner before a scripted upstream, in this process: what it does is seen at once, in its log.
 */
import { SystemResolver } from '../../src/dns/system-resolver.ts';
import type { EventName, Events } from '../../src/log/events.ts';
import type { Log } from '../../src/log/log.ts';
import { Secret } from '../../src/protocol/secret.ts';
import { failureReply } from '../../src/relay/failure-reply.ts';
import { Runner, type RunnerSurroundings, type SpoolRoute } from '../../src/spool/runner.ts';
import type { SpooledMessage } from '../../src/spool/spooled-message.ts';
import { referenceIdentifier } from '../../src/tls/reference-identifier.ts';
import { Trust } from '../../src/tls/trust.ts';
import { HopOpener } from '../../src/upstream/open-hop.ts';
import { HopPool } from '../../src/upstream/pool.ts';
import { StallMemory } from '../../src/upstream/stall-memory.ts';
import type { Target } from '../../src/upstream/target.ts';
import { authority, identity } from './pool-scene.ts';
import { ScriptedUpstream, type Script } from './scripted-upstream.ts';
import { spooled, spoolPlace, type SpoolPlace } from './spool-place.ts';

export const CONTENT = 'From: <a@x.test>\r\nSubject: caf\u00e9\r\nMessage-ID: <1@x.test>\r\n\r\nHello\r\n';

const LIMITS = {
  min: 0,
  max: 100,
  idleMs: 60_000,
  maxAgeMs: 600_000,
  maxMessages: 1_000,
  messagesPerMinute: Infinity,
};

interface Told {
  readonly event: EventName;
  readonly fields: object;
}

/** What was told, past and to come. */
export class RecordedLog implements Log {
  readonly lines: Told[] = [];
  #waiting: (() => void)[] = [];

  emit<E extends EventName>(event: E, fields: Events[E]): void {
    this.lines.push({ event, fields });
    for (const wake of this.#waiting.splice(0)) wake();
  }

  of(event: EventName): readonly object[] {
    return this.lines.filter((one) => one.event === event).map(({ fields }) => fields);
  }

  /** Resolves to the fields of the n-th such event. */
  async nth(event: EventName, count = 1): Promise<object> {
    for (;;) {
      const found = this.of(event)[count - 1];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

export class SpoolScene implements AsyncDisposable {
  readonly place: SpoolPlace;
  readonly upstream: ScriptedUpstream;
  readonly log = new RecordedLog();
  readonly pool: HopPool;
  readonly routes: SpoolRoute[];
  readonly #around: RunnerSurroundings;
  #runner: Runner;

  private constructor(place: SpoolPlace, upstream: ScriptedUpstream, changes: Partial<RunnerSurroundings>) {
    this.place = place;
    this.upstream = upstream;
    const machine = new SystemResolver();
    const settings = {
      hostname: 'relay.example.test',
      timeouts: { connectMs: 5_000, commandMs: 5_000, finalMs: 5_000 },
    };
    const names = { resolver: machine, machine };
    const opener = new HopOpener({ settings, names, stalls: new StallMemory(), log: this.log });
    this.pool = new HopPool(opener, LIMITS, this.log);
    const routes: SpoolRoute[] = [{ name: undefined, targets: [targetOf(upstream)] }];
    this.routes = routes;
    this.#around = {
      store: place.store,
      room: place.room,
      log: this.log,
      pool: this.pool,
      requireTls: 'on-request',
      replyTo: (failure) => failureReply(failure, 'temporary'),
      hostname: 'relay.example.test',
      expiryMs: 1_000_000,
      routes: () => routes,
      ...changes,
    };
    this.#runner = new Runner(this.#around);
  }

  static async begin(
    script: Partial<Script> = {},
    changes: Partial<RunnerSurroundings> = {},
  ): Promise<SpoolScene> {
    const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
    return new SpoolScene(await spoolPlace(), upstream, changes);
  }

  get runner(): Runner {
    return this.#runner;
  }

  /** Another takes the place of the runner, which has been stopped. */
  restart(): void {
    this.#runner = new Runner(this.#around);
    this.#runner.start();
  }

  /** Puts a message in the spool; the runner takes it at once, when it runs. */
  async keep(id: string, changes: Partial<SpooledMessage> = {}, content = CONTENT): Promise<SpooledMessage> {
    const draft = this.place.room.draft();
    await draft.write([Buffer.from(content)]);
    const message = { ...spooled(id, draft.octets), ...changes };
    await this.place.store.add({ message, content: draft });
    this.runner.wake();
    return message;
  }

  /** Makes a message due, or all, and has it tried. */
  async hurry(id?: string): Promise<void> {
    await this.place.store.retryNow(id);
    this.runner.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner.stop();
    await this.pool.close();
    await this.upstream[Symbol.asyncDispose]();
    await this.place[Symbol.asyncDispose]();
  }
}

/** The server on that port of this machine, known by the authority of the tests. */
export function targetOf(
  { port }: { readonly port: number },
  credentials?: { readonly user: string; readonly password: string },
): Target {
  const reference = referenceIdentifier('localhost');
  if (reference === undefined) throw new Error('localhost is no name');
  return {
    place: { kind: 'host', reference, endpoints: [{ tls: 'implicit', port }] },
    authentication: { by: 'pkix' },
    trust: new Trust({ addedAnchors: [authority.caPem], isAnchorsOnly: true }),
    credentials: credentials && {
      kind: 'password',
      user: credentials.user,
      password: new Secret(credentials.password),
    },
  };
}
