/**
 * Tells, for a page, what clients said and what they were answered.
 *
 * Guarantees: addresses are told only as the page may show them; of a busy relay's messages some are listened to each second,
 * not all, so that a page costs no throughput.
 */
import type { Exchange } from '../log/events.ts';
import type { Log } from '../log/log.ts';
import { printable } from '../protocol/printable.ts';
import { shownAddress, withShownAddresses, type AddressShown } from './shown-address.ts';

export interface Dialogue {
  readonly sid: string;
  readonly tid: string;
  readonly helo: string;
  readonly exchanges: readonly Exchange[];
}

/** More than anybody reads. */
const PER_SECOND = 20;

export class DialogueTeller {
  readonly #shown: AddressShown;
  readonly #now: () => number;
  #second = 0;
  #listened = 0;

  /** @param now performance.now() */
  constructor(shown: AddressShown, now = (): number => performance.now()) {
    this.#shown = shown;
    this.#now = now;
  }

  /** Whether the dialogue about a message that begins now is to be told. */
  mayListen(): boolean {
    const second = Math.floor(this.#now() / 1_000);
    if (second !== this.#second) this.#listened = 0;
    this.#second = second;
    this.#listened += 1;
    return this.#listened <= PER_SECOND;
  }

  tell(log: Log, { exchanges, helo, ...whose }: Dialogue): void {
    const shown = (text: string): string => withShownAddresses(text, this.#shown);
    log.emit('dialogue.ended', {
      ...whose,
      helo: shown(printable(helo)),
      exchanges: exchanges.map((one) => ({ ...one, reply: shown(one.reply) })),
    });
  }

  /** @param path with its angle brackets */
  shownPath(path: string): string {
    return `<${shownAddress(path.slice(1, -1), this.#shown)}>`;
  }
}
