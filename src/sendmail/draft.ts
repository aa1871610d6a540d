/**
 * A message taken whole from a pipe before the relay is asked.
 *
 * A cron job writes for as long as it runs; a relay that waited for it would hold an upstream's session, and give up
 * after minutes. Taken whole, the message can also be sent again to recipients that the relay wants to have later.
 *
 * Guarantees: one mebibyte is held in memory, the rest in a file that has no name any more and is gone with the process;
 * CR and LF come out as CRLF only.
 */
import { isAscii } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { HEADER_BLOCK_OCTETS } from '../protocol/limits.ts';
import { LineEndings } from '../protocol/line-endings.ts';
import { SendmailError, SYSEXITS } from './exit-code.ts';
import { LoneDot } from './lone-dot.ts';

const HELD_OCTETS = HEADER_BLOCK_OCTETS;
const READ_OCTETS = 65_536;

export class Draft implements AsyncDisposable {
  /** Whether an octet is beyond ASCII. */
  isEightBit = false;
  #octets = 0;
  #held: Buffer[] = [];
  #heldOctets = 0;
  #file: FileHandle | undefined;
  #fileOctets = 0;

  /**
   * Reads to the end, which is a line with a lone dot when `dotEnds`.
   *
   * @throws {SendmailError} EX_IOERR, or EX_TEMPFAIL when there is no room
   */
  static async take(input: AsyncIterable<unknown>, dotEnds: boolean): Promise<Draft> {
    const draft = new Draft();
    const endings = new LineEndings();
    const dot = new LoneDot();
    const add = async (pieces: readonly Buffer[]): Promise<void> => {
      const octets = Buffer.concat(pieces); // one piece a line came in
      await draft.#add(dotEnds ? dot.read(octets) : octets);
    };
    try {
      for await (const chunk of input) {
        const pieces: Buffer[] = [];
        endings.write(octetsOf(chunk), (piece) => pieces.push(piece));
        await add(pieces);
        if (dot.hasCome) return draft;
      }
      const pieces: Buffer[] = [];
      endings.end((piece) => pieces.push(piece));
      await add(pieces);
      return draft;
    } catch (error) {
      await draft[Symbol.asyncDispose]();
      if (error instanceof SendmailError) throw error;
      throw new SendmailError(SYSEXITS.ioError, `standard input: ${reasonOf(error)}`, { cause: error });
    }
  }

  /** All octets, with CRLF. */
  get octets(): number {
    return this.#octets;
  }

  /** Whether `start` is all of it. */
  get isHeld(): boolean {
    return this.#file === undefined;
  }

  /** Its first mebibyte. */
  get start(): Buffer {
    if (this.#held.length > 1) this.#held = [Buffer.concat(this.#held)];
    return this.#held[0] ?? Buffer.alloc(0);
  }

  /** What follows `start`; can be read again. Each piece is overwritten by the next. */
  async *rest(): AsyncGenerator<Buffer> {
    for (let at = 0; this.#file !== undefined && at < this.#fileOctets;) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_OCTETS, this.#fileOctets - at));
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new SendmailError(SYSEXITS.ioError, 'the temporary file has become shorter');
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }

  async #add(octets: Buffer): Promise<void> {
    if (octets.length === 0) return;
    this.#octets += octets.length;
    this.isEightBit ||= !isAscii(octets);
    const room = this.#file === undefined ? HELD_OCTETS - this.#heldOctets : 0;
    const kept = octets.subarray(0, room);
    if (kept.length > 0) this.#held.push(kept);
    this.#heldOctets += kept.length;
    if (kept.length < octets.length) await this.#store(octets.subarray(kept.length));
  }

  async #store(octets: Buffer): Promise<void> {
    try {
      this.#file ??= await openNameless();
      for (let at = 0; at < octets.length;) {
        const { bytesWritten } = await this.#file.write(octets, at, octets.length - at, this.#fileOctets);
        at += bytesWritten;
        this.#fileOctets += bytesWritten;
      }
    } catch (error) {
      const text = `no room in ${tmpdir()} for a message above ${HELD_OCTETS} octets (${reasonOf(error)}); set TMPDIR`;
      throw new SendmailError(SYSEXITS.temporaryFailure, text, { cause: error });
    }
  }
}

/** `wx+` is O_EXCL: nobody can have put a file or a link there before. */
async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `sealpost-sendmail-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

function octetsOf(chunk: unknown): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error ? String(error.code) : error.message;
}
