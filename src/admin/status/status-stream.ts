/**
 * Tells browsers what the status is, and what is new, as server-sent events.
 *
 * Guarantees: costs nothing while nobody looks; a reader that is slow gets less, and what it missed all at once, so that
 * nothing is held for it; one that takes nothing for a minute is cut off; no more than so many look at a time.
 */
import type { ServerResponse } from 'node:http';

import { describeError } from '../../log/describe-error.ts';
import type { ObservedLog } from '../../log/log.ts';
import type { Status } from './status.ts';

/** What is asked of the relay while somebody looks. */
export interface Depth {
  /** Undefined where there is no spool. */
  readonly spool:
    | { readonly messages: number; readonly octets: number; readonly oldestArrival: number | undefined }
    | undefined;
  /** Hops by state, of all upstreams. */
  readonly hops: Readonly<Record<'idle' | 'leased' | 'opening' | 'waiting', number>>;
}

/** Several events in one go, and still at once for an eye. */
const GATHER_MS = 200;
/** How often the depth is measured, and a silent connection is used. */
const PULSE_MS = 2_000;
const MOST_READERS = 20;
/** Of a reader that takes nothing. Each pulse is something for the others. */
const STUCK_MS = 60_000;

export class StatusStream {
  readonly #status: Status;
  readonly #measure: () => Promise<Depth>;
  readonly #log: ObservedLog;
  readonly #stuckMs: number;
  /** Whether each still has to be told the whole. */
  readonly #readers = new Map<ServerResponse, boolean>();
  #isGathering = false;
  #pulse: NodeJS.Timeout | undefined;

  constructor(status: Status, measure: () => Promise<Depth>, log: ObservedLog, stuckMs = STUCK_MS) {
    this.#status = status;
    this.#measure = measure;
    this.#log = log;
    this.#stuckMs = stuckMs;
    status.changed = () => this.#gather();
  }

  /** Tells this one from now on. */
  add(response: ServerResponse): void {
    if (this.#readers.size >= MOST_READERS) {
      response.writeHead(503, { 'content-type': 'text/plain' }).end('Too many look already.\n');
      return;
    }
    response.setTimeout(this.#stuckMs, () => response.destroy());
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('retry: 1000\n\n');
    this.#readers.set(response, true);
    response.once('close', () => this.#leave(response)).on('drain', () => this.#gather());
    this.#tell();
    void this.#tellDepth();
    this.#pulse ??= setInterval(() => void this.#tellDepth(), PULSE_MS);
  }

  #leave(response: ServerResponse): void {
    this.#readers.delete(response);
    if (this.#readers.size > 0) return;
    clearInterval(this.#pulse);
    this.#pulse = undefined;
  }

  #gather(): void {
    if (this.#isGathering || this.#readers.size === 0) return;
    this.#isGathering = true;
    setTimeout(() => {
      this.#tell(); // what it has observers hear of is in it
      this.#isGathering = false;
    }, GATHER_MS);
  }

  #tell(): void {
    this.#log.settle();
    const news = eventText('news', this.#status.news());
    let whole: string | undefined;
    for (const [reader, lacksWhole] of this.#readers) {
      // What it has not taken yet is enough for it.
      if (reader.writableNeedDrain) this.#readers.set(reader, true);
      else if (lacksWhole) {
        whole ??= eventText('whole', this.#status.whole());
        reader.write(whole);
        this.#readers.set(reader, false);
      } else reader.write(news);
    }
  }

  async #tellDepth(): Promise<void> {
    const depth = await this.#depthText();
    for (const [reader] of this.#readers) if (!reader.writableNeedDrain) reader.write(depth);
  }

  async #depthText(): Promise<string> {
    try {
      return eventText('depth', await this.#measure());
    } catch (error) {
      this.#log.emit('internal.error', describeError(error));
      return ':\n\n'; // says nothing, as server-sent events have it
    }
  }
}

function eventText(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
