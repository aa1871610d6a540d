/**
 * Several streams of lines into one.
 *
 * Guarantees: each line arrives whole, whatever its length and however slowly the sink takes them; a slow sink slows its
 * sources and is not buffered for; one that is gone stops nobody. What has no line end when its source ends is dropped.
 */
import type { Readable, Writable } from 'node:stream';

const LINE_FEED = 0x0a;

export class LineMerger {
  readonly #sink: Writable;
  readonly #paused = new Set<Readable>();

  constructor(sink: Writable) {
    this.#sink = sink;
    const resume = (): void => {
      for (const source of this.#paused) source.resume();
      this.#paused.clear();
    };
    // After an error the sink may never drain; what is lost then is lost with one process, too.
    sink.on('drain', resume).on('error', resume);
  }

  add(source: Readable): void {
    let begun: Buffer[] = [];
    source.on('data', (chunk: Buffer) => {
      const end = chunk.lastIndexOf(LINE_FEED) + 1;
      if (end > 0) {
        this.#pass(source, Buffer.concat([...begun, chunk.subarray(0, end)]));
        begun = [];
      }
      if (end < chunk.length) begun.push(chunk.subarray(end));
    });
  }

  #pass(source: Readable, lines: Buffer): void {
    if (this.#sink.write(lines)) return;
    this.#paused.add(source);
    source.pause();
  }
}
