/**
 * What was said is on standard output before the process ends, however it ends.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const LOG = new URL('../../../src/log/log.ts', import.meta.url).href;

/** What a process of its own prints that has a log and does this. */
function printed(script: string): { readonly lines: readonly string[]; readonly status: number | null } {
  const source = `import { openLog } from '${LOG}'; const log = openLog('info', 'json');
    const say = (signal) => log.emit('process.stopping', { signal }); ${script}`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
  });
  const events = stdout.split('\n').slice(0, -1);
  return { lines: events.map((line) => /"signal":"(\w+)"/.exec(line)?.[1] ?? line), status };
}

for (const [how, end, status] of [
  ['by process.exit', 'process.exit(3)', 3],
  [
    'by an uncaught error',
    "process.on('uncaughtException', () => { say('last'); process.exit(70); }); throw 1",
    70,
  ],
  ['by itself', '', 0],
] as const) {
  test(`writes what was said before the process ends ${how}`, () => {
    const said = printed(`say('before'); ${end}`);
    assert.equal(said.status, status);
    assert.deepEqual(said.lines, status === 70 ? ['before', 'last'] : ['before']);
  });
}

test('lets observers hear of what its level leaves out, and of what happened elsewhere', () => {
  const { lines } = printed(`
    log.observe({ 'session.opened': ({ sid }) => process.stdout.write('heard ' + sid + '\\n') });
    log.emit('session.opened', { sid: 's1', client: '127.0.0.1', tls: false });
    log.pass('session.opened', { sid: 's2', client: '127.0.0.1', tls: false });
    process.stdout.write(log.watched.join() + '\\n');
    log.settle();
    process.stdout.write('settled\\n');
  `);
  assert.deepEqual(lines, ['session.opened', 'heard s1', 'heard s2', 'settled']);
});

test('goes on when an observer fails, and tells of it', () => {
  const { lines, status } = printed(`
    log.observe({ 'process.stopping': () => { throw new TypeError('a mistake') } });
    log.observe({ 'process.stopping': () => process.stdout.write('heard\\n') });
    say('before');
  `);
  assert.match(lines[1] ?? '', /"event":"internal.error","name":"TypeError","text":"a mistake"/);
  assert.deepEqual([lines[0], ...lines.slice(2)], ['before', 'heard']);
  assert.equal(status, 0);
});
