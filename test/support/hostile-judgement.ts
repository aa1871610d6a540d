/**
 * What every hostile test asserts at its end.
 */
import { strict as assert } from 'node:assert';

import { readClearText } from './clear-text.ts';
import { canaryIn } from './hostile-canary.ts';
import type { RelayProcess } from './relay-process.ts';
import type { ScriptedUpstream } from './scripted-upstream.ts';
import type { DialogReply } from './smtp-dialog.ts';

/** Control characters but LF, and those of Unicode that reorder, hide or break lines. */
const UNPRINTABLE = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u;

/** Outside TLS the relay said EHLO, STARTTLS and QUIT, and began handshakes; nothing else, and no canary. */
export function assertClearText(upstream: ScriptedUpstream): void {
  for (const { clear } of upstream.connections) {
    assert.equal(canaryIn(clear), undefined, 'no canary in clear');
    const { lines, recordTypes } = readClearText(clear);
    for (const line of lines) assert.match(line, /^(?:EHLO \[127\.0\.0\.1\]|STARTTLS|QUIT)$/);
    for (const type of recordTypes) assert.ok(type === 21 || type === 22, `TLS record of type ${type}`);
  }
}

/** Nothing that the relay wrote to its output since then holds a canary, an escape, or an error of its own. */
export function assertOutput(relay: RelayProcess, begin = 0): void {
  const output = relay.output.slice(begin);
  assert.equal(canaryIn(relay.output), undefined, 'no canary in the output of the relay');
  assert.doesNotMatch(output, UNPRINTABLE, 'nothing unprintable in the output of the relay');
  assert.ok(!output.includes('internal.error'), `no internal error:\n${output}`);
  for (const line of relay.log) {
    for (const text of Object.values(line).filter((value) => typeof value === 'string'))
      assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, 'no escapes in a log field');
  }
}

/** @param expected basic and enhanced code */
export function assertRefusal(reply: DialogReply, expected: string): void {
  assert.equal(`${reply.code} ${reply.lines[0]?.split(' ', 1)[0] ?? ''}`, expected, reply.raw);
  assert.doesNotMatch(reply.raw, UNPRINTABLE);
  assert.ok(reply.raw.length < 2_000, 'a reply is bounded');
}
