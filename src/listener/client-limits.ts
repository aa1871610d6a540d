/**
 * How much of the relay its clients may have: places at once, messages and recipients in a minute.
 *
 * Guarantees: who is over a limit hears so and when to come again, and takes nothing from the others; memory is bounded
 * by the clients of one minute.
 * Where several processes share the ports, messages and recipients are counted by their primary, for all of them; clients
 * at once are not: each process has its share of all, and counts those of one address for itself.
 */
import {
  RateLimiterCluster,
  RateLimiterClusterMaster,
  RateLimiterMemory,
  RateLimiterRes,
} from 'rate-limiter-flexible';

import type { Log } from '../log/log.ts';
import { ownReply, type Reply } from '../protocol/reply.ts';
import { Networks } from '../relay/networks.ts';
import { networkOf } from './client-network.ts';

/** Programs of this machine share one address, so it has a limit of its own; Infinity for none. */
export interface Limit {
  readonly remote: number;
  readonly loopback: number;
}

export interface ClientLimitOptions {
  /** Clients at once, wherever they come from. */
  readonly clients: number;
  /** At once, from one address (IPv6: from one /64). */
  readonly clientsOfOne: Limit;
  /** In a minute, of one user, or of one address where clients do not log in. */
  readonly messages: Limit;
  readonly recipients: Limit;
}

/** Whose messages are counted. */
export interface LimitedClient {
  readonly address: string;
  readonly user: string | undefined;
}

export type ClientLimitName = 'clients' | 'clients-of-one-address' | 'messages' | 'recipients';

/** What a client hears that is over a limit. */
export interface OverLimit {
  readonly limit: ClientLimitName;
  readonly reply: Reply;
  /** Whether this is the first refusal of its minute: the others need not be told of. */
  readonly isFirst: boolean;
}

const MINUTE_S = 60;

/** A primary that is busy; beyond that a worker counts by itself. */
const PRIMARY_MS = 1_000;

/** Makes this process, the primary, count for workers that are started from now on. */
export function countForWorkers(): RateLimiterClusterMaster {
  return new RateLimiterClusterMaster();
}

export class ClientLimits {
  readonly #options: ClientLimitOptions;
  readonly #messages: Rate;
  readonly #recipients: Rate;
  readonly #ofOne = new Map<string, number>();
  #clients = 0;
  /** When each limit was told of last; a flood of clients is no flood of lines. */
  readonly #toldAt = new Map<ClientLimitName, number>();

  /** @param isWorker whether a primary counts messages and recipients */
  constructor(options: ClientLimitOptions, isWorker = false) {
    this.#options = options;
    this.#messages = new Rate('messages', options.messages, isWorker);
    this.#recipients = new Rate('recipients', options.recipients, isWorker);
  }

  /** Takes a place; `leave` gives it back. @returns undefined when there was one */
  enter(): OverLimit | undefined {
    if (this.#clients >= this.#options.clients)
      return this.#tooMany('clients', 'The relay has too many clients');
    this.#clients += 1;
    return undefined;
  }

  leave(): void {
    this.#clients -= 1;
  }

  /** The same for one address. */
  enterFrom(address: string): OverLimit | undefined {
    const network = networkOf(address);
    const inside = this.#ofOne.get(network) ?? 0;
    if (inside >= limitFor(this.#options.clientsOfOne, address))
      return this.#tooMany('clients-of-one-address', 'This address has too many connections');
    this.#ofOne.set(network, inside + 1);
    return undefined;
  }

  leaveFrom(address: string): void {
    const network = networkOf(address);
    const inside = this.#ofOne.get(network) ?? 0;
    if (inside > 1) this.#ofOne.set(network, inside - 1);
    else this.#ofOne.delete(network);
  }

  #tooMany(limit: ClientLimitName, sentence: string): OverLimit {
    const now = performance.now();
    const isFirst = now - (this.#toldAt.get(limit) ?? -Infinity) > MINUTE_S * 1000;
    if (isFirst) this.#toldAt.set(limit, now);
    return { limit, reply: ownReply([421, '4.3.2'], `${sentence}; come again later.`), isFirst };
  }

  /** Whether RCPT has to be counted: who need not wait stays in the flight of his neighbours. */
  areRecipientsLimited(address: string): boolean {
    return this.#recipients.limits(address);
  }

  /** Counts a MAIL. */
  async message(client: LimitedClient): Promise<OverLimit | undefined> {
    return this.#messages.take(client);
  }

  /** Counts a RCPT. */
  async recipient(client: LimitedClient): Promise<OverLimit | undefined> {
    return this.#recipients.take(client);
  }
}

export function tellLimit({ limit, isFirst }: OverLimit, sid: string, client: string, log: Log): void {
  if (isFirst) log.emit('limit.reached', { sid, client, limit });
}

class Rate {
  readonly #limit: 'messages' | 'recipients';
  readonly #most: Limit;
  /** By how many one may have. */
  readonly #counters = new Map<number, Counter>();

  constructor(limit: 'messages' | 'recipients', most: Limit, isWorker: boolean) {
    this.#limit = limit;
    this.#most = most;
    for (const points of [most.remote, most.loopback])
      if (points !== Infinity) this.#counters.set(points, new Counter(limit, points, isWorker));
  }

  /** Whether there is anything to count. */
  limits(address: string): boolean {
    return limitFor(this.#most, address) !== Infinity;
  }

  async take({ address, user }: LimitedClient): Promise<OverLimit | undefined> {
    const most = limitFor(this.#most, address);
    try {
      const whose = user === undefined ? `address ${networkOf(address)}` : `user ${user}`;
      await this.#counters.get(most)?.consume(whose);
      return undefined;
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const seconds = Math.max(1, Math.ceil(error.msBeforeNext / 1000));
      const text = `This client has sent the ${most} ${this.#limit} that it may in a minute; send it again in ${seconds} s.`;
      const reply = ownReply([451, '4.7.1'], text);
      return { limit: this.#limit, reply, isFirst: error.consumedPoints === most + 1 };
    }
  }
}

/** So many in a minute, of each. */
class Counter {
  readonly #own: RateLimiterMemory;
  readonly #common: RateLimiterCluster | undefined;

  constructor(name: string, points: number, isWorker: boolean) {
    const options = { points, duration: MINUTE_S };
    this.#own = new RateLimiterMemory(options);
    const keyPrefix = `${name} ${points}`;
    if (isWorker) this.#common = new RateLimiterCluster({ ...options, keyPrefix, timeoutMs: PRIMARY_MS });
  }

  /** @throws {RateLimiterRes} when it is one too many */
  async consume(whose: string): Promise<void> {
    try {
      await (this.#common ?? this.#own).consume(whose);
    } catch (error) {
      if (this.#common === undefined || error instanceof RateLimiterRes) throw error;
      await this.#own.consume(whose); // the primary does not answer
    }
  }
}

const LOOPBACK = new Networks(['127.0.0.0/8', '::1']);

function limitFor({ remote, loopback }: Limit, address: string): number {
  return LOOPBACK.has(address) ? loopback : remote;
}
