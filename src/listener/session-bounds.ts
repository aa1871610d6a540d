/**
 * What one session may take, in how much time: the replies that it gets beyond that, and the lines in the log.
 */
import type { Log } from '../log/log.ts';
import { ownReply, type Reply } from '../protocol/reply.ts';
import { tellLimit, type ClientLimits } from './client-limits.ts';
import { SessionPace, type PaceFault, type PaceOptions } from './session-pace.ts';

/** What the sessions of a listener have in common. */
export interface SharedBounds {
  readonly limits: ClientLimits;
  readonly pace: PaceOptions;
}

export interface BoundedClient {
  readonly sid: string;
  readonly address: string;
  readonly log: Log;
}

export class SessionBounds {
  readonly pace: SessionPace;
  readonly #limits: ClientLimits;
  readonly #client: BoundedClient;

  constructor({ limits, pace }: SharedBounds, client: BoundedClient) {
    this.pace = new SessionPace(pace, performance.now());
    this.#limits = limits;
    this.#client = client;
  }

  /** Whether recipients have to be counted: who need not wait for it stays in the flight of his neighbours. */
  get countsRecipients(): boolean {
    return this.#limits.areRecipientsLimited(this.#client.address);
  }

  /** Counts one more. @param user who has logged in @returns the refusal, if it is one too many */
  async count(what: 'message' | 'recipient', user: string | undefined): Promise<Reply | undefined> {
    const { sid, address, log } = this.#client;
    const over = await this.#limits[what]({ address, user });
    if (over !== undefined) tellLimit(over, sid, address, log);
    return over?.reply;
  }

  /** @returns what a session hears that is to be ended now */
  ending(now: number): Reply | undefined {
    const fault = this.pace.fault(now);
    if (fault === undefined) return undefined;
    const { sid, address, log } = this.#client;
    log.emit('session.cut', { sid, client: address, reason: fault });
    return ownReply([421, '4.4.2'], TOO_SLOW[fault]);
  }
}

const TOO_SLOW: Readonly<Record<PaceFault, string>> = {
  'slow-command': 'No whole command came for five minutes.',
  'slow-content': 'The message comes too slowly (SEALPOST_CLIENT_MIN_DATA_RATE).',
  'long-transaction': 'The message takes too long (SEALPOST_CLIENT_TRANSACTION_TIMEOUT).',
  'idle-commands': 'So many commands, and no message.',
};
