/**
 * Lines of several processes on one standard output.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { test } from 'node:test';

import { LineMerger } from '../../../src/commands/line-merger.ts';

const PIECE = 777;

/** Takes little at a time, slowly. */
class SlowSink extends Writable {
  text = '';
  /** The most that it had to hold. */
  most = 0;

  constructor() {
    super({ highWaterMark: 256 });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.most = Math.max(this.most, this.writableLength);
    this.text += chunk.toString();
    setImmediate(done);
  }
}

/** Standard output whose reader has gone: each write fails, it never drains, it is never destroyed. */
class DeadSink extends Writable {
  override write(): boolean {
    setImmediate(() => this.emit('error', new Error('EPIPE')));
    return false;
  }
}

function linesOf(name: string, count: number, octets: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index} ${name.repeat(octets)}`);
}

/** Cut anywhere, as a pipe does. */
function piecesOf(text: string): readonly Buffer[] {
  const octets = Buffer.from(text);
  const count = Math.ceil(octets.length / PIECE);
  return Array.from({ length: count }, (_, index) => octets.subarray(index * PIECE, (index + 1) * PIECE));
}

test('keeps every line whole and in the order of its source, long ones and a slow sink included', async () => {
  const sink = new SlowSink();
  const merger = new LineMerger(sink);
  const all = ['a', 'b', 'c'].map((name) => linesOf(name, 60, name === 'b' ? 9_000 : 40));
  const sources = all.map((lines) => Readable.from(piecesOf(lines.map((line) => `${line}\n`).join(''))));
  for (const source of sources) merger.add(source);
  await Promise.all(sources.map(async (source) => once(source, 'end')));
  sink.end();
  await once(sink, 'finish');
  const received = sink.text.split('\n');
  assert.equal(received.pop(), '');
  for (const [index, name] of ['a', 'b', 'c'].entries()) {
    assert.deepEqual(
      received.filter((line) => line.startsWith(name)),
      all[index],
    );
  }
  assert.equal(received.length, 180);
  assert.ok(sink.most < 3 * 10_000, 'a source waits while the sink is full');
});

test('goes on when the sink fails: nobody reads the log any more', async () => {
  const sink = new DeadSink().on('error', () => undefined);
  const source = Readable.from(piecesOf(linesOf('a', 60, 1_000).join('\n')));
  new LineMerger(sink).add(source);
  await once(source, 'end');
});

test('drops what has no line end', async () => {
  const sink = new SlowSink();
  const source = Readable.from([Buffer.from('whole\nha'), Buffer.from('lf')]);
  new LineMerger(sink).add(source);
  await once(source, 'end');
  sink.end();
  await once(sink, 'finish');
  assert.equal(sink.text, 'whole\n');
});
