/**
 * Lines that wait to be written, as the octets that they will be in the file.
 *
 * Guarantees: they lie outside the JavaScript heap. There the collector would copy each of them several times before it is
 * written, which costs more than to make it.
 */
import type { Head, SealedLine } from './chain.ts';

/** Lines that are written together. */
export interface Block {
  readonly text: Buffer;
  /** Of its last line. */
  readonly head: Head;
}

const BLOCK_OCTETS = 1_048_576;
/** What a busy relay fills again at once. */
const MOST_SPARE = 4;

interface Filling {
  readonly room: Buffer;
  octets: number;
  lines: number;
  head: Head;
  isClosed: boolean;
}

export class WaitingLines {
  readonly #blocks: Filling[] = [];
  readonly #spare: Buffer[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add({ line, seq, hash }: SealedLine): void {
    const text = `${line}\n`;
    const block = this.#blockFor(Buffer.byteLength(text));
    block.octets += block.room.write(text, block.octets);
    block.lines += 1;
    block.head = { seq, hash };
    this.#count += 1;
  }

  /** The oldest, to which nothing is added from now on; undefined when nothing waits. */
  oldest(): Block | undefined {
    const [block] = this.#blocks;
    if (block === undefined) return undefined;
    block.isClosed = true;
    return { text: block.room.subarray(0, block.octets), head: block.head };
  }

  /** The oldest is written. */
  dropOldest(): void {
    const block = this.#blocks.shift();
    if (block === undefined) return;
    this.#count -= block.lines;
    if (block.room.length === BLOCK_OCTETS && this.#spare.length < MOST_SPARE) this.#spare.push(block.room);
  }

  #blockFor(octets: number): Filling {
    const last = this.#blocks.at(-1);
    if (last !== undefined && !last.isClosed && last.octets + octets <= last.room.length) return last;
    const spare = octets > BLOCK_OCTETS ? undefined : this.#spare.pop();
    const room = spare ?? Buffer.allocUnsafeSlow(Math.max(octets, BLOCK_OCTETS));
    const block = { room, octets: 0, lines: 0, head: { seq: 0, hash: '' }, isClosed: false };
    this.#blocks.push(block);
    return block;
  }
}
