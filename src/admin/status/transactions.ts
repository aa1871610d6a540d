/**
 * The last transactions, each with its story, folded from what the log is told.
 *
 * Guarantees: a bounded number of them, each of bounded size; addresses are shown as the operator lets them be.
 */
import type { Events, Exchange } from '../../log/events.ts';
import type { Observer } from '../../log/observer.ts';
import { withShownAddresses, type AddressShown } from '../../relay/shown-address.ts';
import type { Counted } from './traffic.ts';
import type { HopView } from './upstreams.ts';

export type Outcome = 'delivered' | 'kept' | 'refused' | 'unknown' | 'abandoned';

/** Milliseconds; those of a phase are known where the message was delivered. */
export interface Timings {
  readonly waitMs?: number;
  readonly envelopeMs?: number;
  readonly contentMs?: number;
  readonly verdictMs?: number;
  readonly ms: number;
}

export interface Story {
  readonly tid: string;
  /** When something was told of it last, milliseconds since 1970. */
  readonly at: number;
  /** Undefined until it is known. */
  readonly outcome?: Outcome;
  readonly client?: string;
  readonly user?: string | undefined;
  readonly helo?: string;
  readonly hop?: HopView | undefined;
  /** The upstream's, or ours where it was refused by us. */
  readonly reply?: string;
  readonly failure?: string;
  readonly phase?: string;
  readonly recipients?: number;
  readonly octets?: number;
  /** Replies to recipients that were refused. */
  readonly refusals: readonly string[];
  readonly timings?: Timings;
  /** What the client said; undefined where it was not told. */
  readonly exchanges?: readonly Exchange[];
}

export interface StorySurroundings {
  readonly now: () => number;
  readonly addresses: AddressShown;
  /** The hop that a transaction used. */
  readonly useOf: (hid: string | undefined) => HopView | undefined;
  readonly count: (outcome: Counted) => void;
  readonly changed: () => void;
}

const MOST_STORIES = 500;
/** Deliveries in one second that surely have a story; of more it is the last that have one when somebody asks. */
const MADE_PER_SECOND = 100;
const MOST_UNMADE = 50;
const MOST_REFUSALS = 10;
const MOST_CHARACTERS = 500;

/** A delivery as it was told, and what was so then. */
interface Delivery {
  readonly fields: Events['transaction.delivered'];
  readonly hop: HopView | undefined;
  readonly at: number;
}

type Ended = Pick<Events['transaction.refused'], 'client' | 'user'>;

export class Transactions {
  readonly observer: Observer;
  readonly #around: StorySurroundings;
  readonly #stories = new Map<string, Story>();
  /** The last deliveries of a busy relay, of which no story was made yet: of most nobody ever asks for one. */
  readonly #deliveries: Delivery[] = [];
  #changed = new Set<string>();
  #second = 0;
  /** In that second. */
  #delivered = 0;
  #last: Story | undefined;
  #lastRefused: Story | undefined;

  constructor(around: StorySurroundings) {
    this.#around = around;
    this.observer = { ...this.#endings(), ...this.#spoolEndings(), ...this.#details() };
  }

  /** The latest last. */
  get all(): readonly Story[] {
    this.#makeStories();
    return [...this.#stories.values()];
  }

  /** The one whose outcome was told last. */
  get last(): Story | undefined {
    this.#makeStories();
    return this.#last;
  }

  get lastRefused(): Story | undefined {
    return this.#lastRefused;
  }

  /**
   * Those that something was told of since this was asked.
   *
   * @param most of those that went well, and of the others: deliveries push no refusal out
   */
  takeChanged(most: number): readonly Story[] {
    this.#makeStories();
    const changed = [...this.#changed].flatMap((tid) => this.#stories.get(tid) ?? []);
    this.#changed = new Set();
    const others = changed.filter((story) => !wentWell(story));
    const told = new Set([...changed.filter(wentWell).slice(-most), ...others.slice(-most)]);
    return changed.filter((story) => told.has(story));
  }

  #endings(): Observer {
    return {
      'transaction.delivered': (fields) => {
        this.#around.count('delivered');
        this.#deliveries.push({ fields, hop: this.#around.useOf(fields.hid), at: this.#around.now() });
        // A story may say otherwise: that it was refused, of one recipient.
        if (this.#isCalm() || this.#isKnown(fields.tid)) this.#makeStories();
        else if (this.#deliveries.length === 2 * MOST_UNMADE) this.#deliveries.splice(0, MOST_UNMADE);
        this.#around.changed();
      },
      'transaction.refused': ({ tid, hid, failure, phase, reply, ms, ...rest }) => {
        const hop = this.#around.useOf(hid);
        this.#end(tid, 'refused', { ...whose(rest), hop, failure, phase, reply, timings: { ms } });
      },
      'transaction.unknown': ({ tid, hid, reason, octets, ms, ...rest }) => {
        const reply = `The upstream did not confirm the message (${reason}); it may have been delivered.`;
        const hop = this.#around.useOf(hid);
        this.#end(tid, 'unknown', { ...whose(rest), hop, reply, octets, timings: { ms } });
      },
      'transaction.abandoned': ({ tid, hid, octets, ms, ...rest }) => {
        const reply = 'The client left, reset or went silent before the message was complete.';
        const hop = this.#around.useOf(hid);
        this.#end(tid, 'abandoned', { ...whose(rest), hop, reply, octets, timings: { ms } });
      },
    };
  }

  #spoolEndings(): Observer {
    return {
      'message.spooled': ({ tid, failure, recipients, octets, ms, ...rest }) => {
        const reply = 'Kept in the spool until the upstream takes it.';
        this.#end(tid, 'kept', { ...whose(rest), failure, recipients, octets, reply, timings: { ms } });
      },
      'spool.delivered': ({ tid, hid, reply, recipients, octets }) => {
        const hop = this.#around.useOf(hid);
        this.#end(tid, 'delivered', { hop, reply, recipients, octets });
      },
      'spool.delayed': ({ tid, failure, reply }) => this.#tell(tid, { outcome: 'kept', failure, reply }),
      'spool.dropped': ({ tid, reply }) => this.#end(tid, 'refused', { reply }),
      'spool.bounced': ({ tid, failed }) => {
        if (failed > 0) this.#end(tid, 'refused', { reply: 'Given up; the sender was told.' });
      },
    };
  }

  #details(): Observer {
    return {
      'recipient.refused': ({ tid, hid, reply, ...rest }) => {
        if (tid === undefined) return;
        this.#makeStories();
        const known = this.#stories.get(tid);
        const refusals = [...(known?.refusals ?? []), this.#shown(reply)].slice(0, MOST_REFUSALS);
        const hop = known?.hop ?? this.#around.useOf(hid);
        this.#around.count('refused');
        // Unless others are accepted.
        this.#tell(tid, { ...whose(rest), outcome: 'refused', phase: 'rcpt', reply, hop, refusals });
      },
      'dialogue.ended': ({ tid, helo, exchanges }) => {
        this.#makeStories();
        if (!this.#isKnown(tid)) return; // given up before its content: there was no message
        const told = exchanges.map((one) => ({ ...one, reply: one.reply.slice(0, MOST_CHARACTERS) }));
        this.#tell(tid, { helo, exchanges: told });
      },
    };
  }

  /** Whether there is time to make a story of each delivery. */
  #isCalm(): boolean {
    const second = Math.floor(this.#around.now() / 1_000);
    if (second !== this.#second) this.#delivered = 0;
    this.#second = second;
    this.#delivered += 1;
    return this.#delivered <= MADE_PER_SECOND;
  }

  /** Whether it has a story already. */
  #isKnown(tid: string | undefined): boolean {
    return tid !== undefined && this.#stories.has(tid);
  }

  #makeStories(): void {
    for (const { fields, hop, at } of this.#deliveries.splice(0)) {
      const { tid, reply, recipients, octets, waitMs, contentMs, verdictMs, ms } = fields;
      const envelopeMs = Math.max(0, ms - contentMs - verdictMs);
      const timings = { waitMs, envelopeMs, contentMs, verdictMs, ms: waitMs + ms };
      const told = {
        ...whose(fields),
        outcome: 'delivered',
        hop,
        reply,
        recipients,
        octets,
        timings,
      } as const;
      if (tid !== undefined) this.#tell(tid, told, at);
    }
  }

  #end(tid: string | undefined, outcome: Outcome, told: Partial<Story>): void {
    if (tid === undefined) return;
    this.#around.count(outcome === 'delivered' || outcome === 'kept' ? outcome : 'refused');
    this.#tell(tid, { ...told, outcome });
  }

  #tell(tid: string, { reply, user, ...told }: Partial<Story>, at = this.#around.now()): void {
    this.#makeStories();
    const known = this.#stories.get(tid);
    const story: Story = {
      refusals: [],
      ...known,
      ...told,
      ...(reply === undefined ? {} : { reply: this.#shown(reply) }),
      ...(user === undefined ? {} : { user: this.#shown(user) }),
      tid,
      at: known?.outcome !== undefined && told.outcome === undefined ? known.at : at,
    };
    // In the order in which they were told of.
    if (known !== undefined) this.#stories.delete(tid);
    this.#stories.set(tid, story);
    if (told.outcome !== undefined) this.#last = story;
    if (told.outcome === 'refused') this.#lastRefused = story;
    this.#changed.add(tid);
    if (this.#stories.size > MOST_STORIES) this.#forgetOldest();
    this.#around.changed();
  }

  #forgetOldest(): void {
    const [oldest] = this.#stories.keys();
    if (oldest === undefined) return;
    this.#stories.delete(oldest);
    this.#changed.delete(oldest);
  }

  /** Cut last: of an address on the cut the first half alone would not be known for one. */
  #shown(text: string): string {
    return withShownAddresses(text, this.#around.addresses).slice(0, MOST_CHARACTERS);
  }
}

function wentWell({ outcome, refusals }: Story): boolean {
  return outcome === 'delivered' && refusals.length === 0;
}

function whose({ client, user }: Ended): Ended {
  return { client, user };
}
