/**
 * Whether an audit trail is whole: every line as it was sealed, each behind the one that it names.
 *
 * Does not: find that lines were cut off at its end, or that somebody who can write the file has sealed it anew from some
 * line on. Against both helps a head that was kept elsewhere.
 */
import { createReadStream } from 'node:fs';

import { GENESIS, readLine, type Head, type ReadLine } from './chain.ts';

export interface Fault {
  readonly file: string;
  /** In the file, from 1. */
  readonly line: number;
  readonly text: string;
}

export interface Verdict {
  readonly lines: number;
  readonly faults: readonly Fault[];
  /** Lines without an end: one is being written, or a crash has left half of it. The relay takes no account of them either. */
  readonly unended: readonly Fault[];
  /** Numbers of the first and the last line that are whole; undefined where there is none. */
  readonly first: number | undefined;
  readonly head: Head | undefined;
  /** Whether the head that was asked for is among the lines. */
  readonly hasWitness: boolean;
}

/**
 * @param files the oldest first
 * @param witness the hash of a line, as it was kept elsewhere
 * @throws {Error} with `code`, when one cannot be read
 */
export async function verify(files: readonly string[], witness?: string): Promise<Verdict> {
  const check = new ChainCheck(witness);
  for (const file of files) {
    let number = 0;
    for await (const { line, isEnded } of linesOf(file)) {
      const at = { file, line: (number += 1) };
      if (isEnded) check.take(line, at);
      else check.takeUnended(at);
    }
  }
  return check.verdict;
}

/** LF alone ends one: whatever else readers take for an end was not written there. */
async function* linesOf(file: string): AsyncGenerator<{ readonly line: string; readonly isEnded: boolean }> {
  let rest = '';
  for await (const piece of createReadStream(file, 'utf8')) {
    const lines = `${rest}${String(piece)}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield { line, isEnded: true };
  }
  if (rest !== '') yield { line: rest, isEnded: false };
}

/** Number of the first line that is whole; Infinity where there is none. @throws {Error} with `code` */
export async function firstSeq(file: string): Promise<number> {
  for await (const { line } of linesOf(file)) {
    const read = readLine(line);
    if (read !== undefined) return read.seq;
  }
  return Infinity;
}

class ChainCheck {
  readonly #witness: string | undefined;
  readonly #faults: Fault[] = [];
  readonly #unended: Fault[] = [];
  #lines = 0;
  #first: ReadLine | undefined;
  #last: ReadLine | undefined;
  /** Whether the line before was not as it was sealed: nothing can be compared with it. */
  #isBlind = false;
  #hasWitness = false;

  constructor(witness: string | undefined) {
    this.#witness = witness;
  }

  get verdict(): Verdict {
    return {
      lines: this.#lines,
      faults: this.#faults,
      unended: this.#unended,
      first: this.#first?.seq,
      head: this.#last,
      hasWitness: this.#hasWitness,
    };
  }

  take(line: string, at: Omit<Fault, 'text'>): void {
    this.#lines += 1;
    const read = readLine(line);
    const text = read === undefined ? 'is not as it was written' : this.#faultOf(read);
    if (text !== undefined) this.#faults.push({ ...at, text });
    this.#isBlind = read === undefined;
    if (read === undefined) return;
    this.#first ??= read;
    this.#last = read;
    if (read.hash === this.#witness) this.#hasWitness = true;
  }

  takeUnended(at: Omit<Fault, 'text'>): void {
    this.#unended.push({ ...at, text: 'has no end: it is being written, or was when the relay crashed' });
  }

  #faultOf(read: ReadLine): string | undefined {
    const before = this.#last;
    if (before === undefined) return this.#isBlind || isBeginning(read) ? undefined : NO_BEGINNING;
    // What could not be read before it was put in then.
    if (read.seq === before.seq + 1 && read.previous === before.hash) return undefined;
    const expected = before.seq + (this.#isBlind ? 2 : 1);
    if (read.seq < expected) return `is number ${read.seq} and stands behind number ${before.seq}`;
    if (read.seq > expected)
      return `is number ${read.seq}: ${missing(expected, read.seq - 1)} missing before it`;
    return this.#isBlind ? undefined : REPLACED;
  }
}

const NO_BEGINNING = 'begins a chain, and not from nothing';
const REPLACED = 'does not follow the line before it: one of them has been replaced';

/** Of a later one, files before it may have been removed. */
function isBeginning({ seq, previous }: ReadLine): boolean {
  return seq > 1 || (seq === 1 && previous === GENESIS.hash);
}

function missing(from: number, to: number): string {
  return from === to ? `number ${from} is` : `numbers ${from} to ${to} are`;
}
