/**
 * What a client sends, cut into commands.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { CommandStream } from '../../../src/listener/command-stream.ts';

/** What Node reads into at once; a piece of it keeps all of it. */
const READ_OCTETS = 65_536;

/** A stream that has served one read, and is left with the first octets of a command; that read. */
function afterOneRead(): { readonly stream: CommandStream; readonly read: WeakRef<ArrayBuffer> } {
  const stream = new CommandStream();
  stream.oncommand = (_command, callback) => callback?.();
  const buffer = new ArrayBuffer(READ_OCTETS);
  const octets = Buffer.from(buffer, 0, 'NOOP\r\nNOO'.length);
  octets.write('NOOP\r\nNOO');
  stream.write(octets);
  return { stream, read: new WeakRef(buffer) };
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  assert.ok(typeof collect === 'function');
  collect();
}

test('keeps no whole read for the sake of a command that has only begun', async () => {
  const { stream, read } = afterOneRead();
  await new Promise((resolve) => setImmediate(resolve)); // what was looked at in this turn is kept until its end
  collectGarbage();
  assert.equal(read.deref(), undefined);
  const commands: string[] = [];
  stream.oncommand = (command) => commands.push(command.toString());
  stream.write(Buffer.from('P\r\n'));
  assert.deepEqual(commands, ['NOOP']);
});
