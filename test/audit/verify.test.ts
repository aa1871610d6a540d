/**
 * `sealpost audit verify` finds every change inside a trail, and says what it cannot find.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { GENESIS, membersOf, seal } from '../../src/audit/chain.ts';
import { verify, type Verdict } from '../../src/audit/verify.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-verify-'));
after(() => rmSync(directory, { recursive: true }));

/** A trail of six lines. */
function trail(): string[] {
  let head = GENESIS;
  return ['a', 'b', 'c', 'd', 'e', 'f'].map((reply) => {
    const sealed = seal(membersOf({ event: 'transaction.delivered', reply }), head);
    head = sealed;
    return sealed.line;
  });
}

let written = 0;

async function verdictOn(lines: readonly string[], witness?: string): Promise<Verdict> {
  const file = join(directory, `trail-${(written += 1)}`);
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return verify([file], witness);
}

function faultsOf({ faults }: Verdict): readonly string[] {
  return faults.map(({ line, text }) => `${line} ${text}`);
}

test('finds nothing wrong with a trail as it was written, nor with its later files alone', async () => {
  const lines = trail();
  const whole = await verdictOn(lines);
  assert.deepEqual([whole.lines, whole.first, whole.head?.seq, whole.faults], [6, 1, 6, []]);
  assert.deepEqual(faultsOf(await verdictOn(lines.slice(3))), []);
});

for (const at of [0, 2, 5])
  test(`finds a changed word in line ${at + 1}`, async () => {
    const lines = trail();
    lines[at] = (lines[at] ?? '').replace(/"reply":"."/, '"reply":"x"');
    assert.deepEqual(faultsOf(await verdictOn(lines)), [`${at + 1} is not as it was written`]);
  });

test('finds a line that was sealed anew', async () => {
  const lines = trail();
  const before = /"hash":"(\w+)"/.exec(lines[1] ?? '')?.[1] ?? '';
  lines[2] = seal(membersOf({ event: 'transaction.delivered', reply: 'x' }), { seq: 2, hash: before }).line;
  assert.deepEqual(faultsOf(await verdictOn(lines)), [
    '4 does not follow the line before it: one of them has been replaced',
  ]);
});

test('finds lines that are missing in the middle', async () => {
  const lines = trail();
  lines.splice(2, 2);
  assert.deepEqual(faultsOf(await verdictOn(lines)), ['3 is number 5: numbers 3 to 4 are missing before it']);
});

test('finds lines that changed places, and one that was put in twice', async () => {
  const [a = '', b = '', c = '', ...rest] = trail();
  assert.deepEqual(faultsOf(await verdictOn([a, c, b, ...rest])), [
    '2 is number 3: number 2 is missing before it',
    '3 is number 2 and stands behind number 3',
    '4 is number 4: number 3 is missing before it',
  ]);
  assert.deepEqual(faultsOf(await verdictOn([a, b, b, c, ...rest])), [
    '3 is number 2 and stands behind number 2',
  ]);
});

test('finds a line that was put in, and blames no other for it', async () => {
  const lines = trail();
  lines.splice(2, 0, '{"event":"transaction.delivered"}');
  assert.deepEqual(faultsOf(await verdictOn(lines)), ['3 is not as it was written']);
});

test('finds line ends that were changed', async () => {
  const lines = trail();
  lines[2] += '\r';
  assert.deepEqual(faultsOf(await verdictOn(lines)), ['3 is not as it was written']);
});

test('takes a line break of Unicode for no line end', async () => {
  const { line } = seal(membersOf({ event: 'transaction.delivered', reply: 'a\u2028b' }), GENESIS);
  assert.deepEqual(faultsOf(await verdictOn([line])), []);
});

test('tells of half a line at the end, and takes it for no change: it may be on its way', async () => {
  const [last = '', ...lines] = trail().toReversed();
  const file = join(directory, `trail-${(written += 1)}`);
  writeFileSync(file, `${lines.toReversed().join('\n')}\n${last.slice(0, 40)}`);
  const { faults, unended, head } = await verify([file]);
  assert.deepEqual([faults, unended.map(({ line }) => line), head?.seq], [[], [6], 5]);
});

test('finds a first line that begins from something else', async () => {
  const { line } = seal(membersOf({ event: 'trail.begun' }), { seq: 0, hash: 'f'.repeat(64) });
  assert.deepEqual(faultsOf(await verdictOn([line])), ['1 begins a chain, and not from nothing']);
});

test('needs a witness to find that the end was cut off', async () => {
  const lines = trail();
  const { head } = await verdictOn(lines);
  const cut = await verdictOn(lines.slice(0, 4), head?.hash);
  assert.deepEqual([cut.faults, cut.hasWitness], [[], false]);
  assert.equal((await verdictOn(lines, head?.hash)).hasWitness, true);
});
