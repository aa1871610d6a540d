/**
 * Where spooled messages lie: what every store of them must do.
 *
 * Several processes, and machines where the store is a server, use one store at once. A message is claimed by one of them
 * for a time; a claim that is neither renewed nor settled ends by itself, so that nobody has to notice that a relay died.
 */
import type { Draft } from './draft.ts';
import type { RouteName } from './route-health.ts';
import type { SpooledMessage } from './spooled-message.ts';

/** A message and its content. */
export interface Entry {
  readonly message: SpooledMessage;
  readonly content: Draft;
}

/** The right to deliver a message, for as long as it is renewed. */
export interface Claim {
  readonly message: SpooledMessage;
  /** Tells this claim from all others of the same message. */
  readonly token: string;
}

export interface ClaimOrder {
  readonly route: RouteName;
  readonly limit: number;
  /** Whether the upstream is left alone: then only for messages that expire, or that the operator wants tried. */
  readonly isPaused?: boolean;
}

export interface QueuedMessage {
  readonly message: SpooledMessage;
  /** Whether somebody is delivering it now. */
  readonly isClaimed: boolean;
}

export interface SpoolMeasure {
  readonly messages: number;
  readonly octets: number;
  /** Milliseconds since 1970; undefined when it is empty. */
  readonly oldestArrival: number | undefined;
}

/** Reports are kept beyond them: they say what became of mail that made room. */
export interface SpoolLimits {
  readonly maxMessages: number;
  readonly maxOctets: number;
}

/** How long a message is left alone that cannot be read: its row is damaged, or another version's. */
export const UNREADABLE_MS = 3_600_000;

/** Messages that are listed at a time. */
export const PAGE = 100;

/** How long a claim lasts unless it is renewed, milliseconds. */
export const CLAIM_MS = 30_000;

export interface SpoolStore {
  /** @param octets of one more message @throws {RelayError} spool, when it is known now that there is no room for it */
  expectRoom(octets: number): Promise<void>;
  /**
   * Resolves when the message would survive a power failure. Otherwise nothing of it is left, unless the failure says that
   * it may be delivered. Uses up the draft.
   *
   * @throws {RelayError} spool
   */
  add(entry: Entry): Promise<void>;
  /** As `add`, but nobody delivers it yet: it is claimed. @throws {RelayError} spool */
  hold(entry: Entry): Promise<Claim>;
  /** The upstreams that there are messages for. */
  routes(): Promise<readonly RouteName[]>;
  /**
   * Claims messages for an upstream whose time has come, the most overdue first; counts the attempt. One whose claim had
   * ended unsettled comes with its waiting recipients marked: they may have it.
   *
   * @throws {RelayError} spool; also to tell of messages that cannot be read, once they are out of the way
   */
  claim(order: ClaimOrder): Promise<readonly Claim[]>;
  /** Makes claims last for another `CLAIM_MS`, where nobody has taken the message meanwhile. @returns how many */
  renew(claims: readonly Claim[]): Promise<number>;
  /**
   * Ends a claim, and writes down what became of the message: all at once, with the report on it, or nothing.
   *
   * @param after the message as it is now; undefined when it is done with
   * @param report a message of ours to be added in the same moment; its draft is used up
   * @returns false when the claim had ended: nothing was changed
   */
  settle(claim: Claim, after: SpooledMessage | undefined, report?: Entry): Promise<boolean>;
  /** The content of a message. @throws {RelayError} spool, when there is none */
  content(id: string): AsyncIterable<Buffer>;
  /** In the order of arrival, some at a time. What comes and goes meanwhile may be among them, or not. */
  list(): AsyncIterable<readonly QueuedMessage[]>;
  get(id: string): Promise<QueuedMessage | undefined>;
  /** When the first of those becomes due that are not yet, milliseconds since 1970. */
  nextDueAt(): Promise<number | undefined>;
  /** Makes one message due, or all, even where their upstream is left alone. @returns how many there were */
  retryNow(id?: string): Promise<number>;
  /** Makes due what waits for a hop to this upstream. */
  hopIsBack(route: RouteName): Promise<void>;
  /** @returns `claimed` when somebody is delivering it: then it stays */
  remove(id: string): Promise<'removed' | 'claimed' | 'unknown'>;
  measure(): Promise<SpoolMeasure>;
  /** Throws away what crashes left behind; to be called once in a while. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}
