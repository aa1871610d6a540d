/**
 * What becomes of a message that the spool has taken: the real program before an upstream that fails and recovers.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { authority, identity, MESSAGE } from '../support/pool-scene.ts';
import { startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, type Script } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const directory = mkdtempSync(join(tmpdir(), 'sealpost-spool-'));
after(() => rmSync(directory, { recursive: true }));
let spools = 0;

function newSpool(): string {
  spools += 1;
  return join(directory, String(spools));
}

async function upstreamThat(script: Partial<Script>): Promise<ScriptedUpstream> {
  return ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
}

async function relayBefore(upstream: ScriptedUpstream, variables: Variables = {}): Promise<RelayProcess> {
  return startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_SPOOL: `file:${newSpool()}`,
    SEALPOST_LOG_LEVEL: 'debug',
    ...variables,
  });
}

/** Answers a verb with 451 until it is told not to. */
function failing(verb: string): { script: Partial<Script>; recover: () => void } {
  let isFailing = true;
  return {
    script: {
      answer: (line) => (isFailing && line.startsWith(verb) ? '451 4.3.0 Later\r\n' : undefined),
    },
    recover: (): void => void (isFailing = false),
  };
}

async function send(relay: RelayProcess, ...lines: readonly string[]): Promise<string> {
  using client = await SmtpDialog.open(relay.port());
  for (const line of ['EHLO client', ...lines, 'DATA'])
    assert.ok((await client.command(line)).code < 400, line);
  client.write(`${MESSAGE}\r\n.\r\n`);
  const reply = await client.reply();
  assert.equal(reply.code, 250, reply.raw);
  return /as (\w+)/.exec(reply.raw)?.[1] ?? '';
}

const PLAIN = ['MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'];

test('delivers what it took while the upstream said 451, once it says 250', async () => {
  const flaky = failing('MAIL');
  await using upstream = await upstreamThat(flaky.script);
  await using relay = await relayBefore(upstream);
  const tid = await send(relay, ...PLAIN);
  assert.equal(upstream.messages.length, 0);
  flaky.recover();
  const delivered = await relay.event('spool.delivered');
  assert.equal(delivered['tid'], tid);
  assert.match(upstream.messages[0]?.content.toString() ?? '', new RegExp(`id ${tid};[^]*Hello`));
});
