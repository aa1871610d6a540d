/**
 * The EHLO list that clients see: what the last secured hop offered and the relay can carry.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { startRelay } from '../support/relay-process.ts';
import { RelayTestBed, WITH_CHUNKING, accepted } from '../support/relay-test-bed.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const LIMIT = { timeout: 20_000 };
const RICH = [
  ...WITH_CHUNKING,
  'BINARYMIME',
  'STARTTLS',
  'VRFY',
  'ETRN',
  'XCLIENT NAME ADDR',
  'BURL imap',
  'XYZZY',
];
const [rich, poor, asking] = await Promise.all([
  RelayTestBed.start({ keywords: RICH }),
  RelayTestBed.start({ keywords: ['SIZE 12345'] }),
  RelayTestBed.start({ keywords: RICH, variables: { SEALPOST_CLIENT_AUTH: 'any' } }),
]);
after(async () => Promise.all([rich.stop(), poor.stop(), asking.stop()]));

test(
  'offers PIPELINING, SIZE and 8BITMIME before the first hop, then what the hop offered and can be carried',
  LIMIT,
  async () => {
    assert.deepEqual((await offered(rich)).map(keyword).toSorted(), ['8BITMIME', 'PIPELINING', 'SIZE']);
    await rich.delivers();
    assert.deepEqual((await offered(rich)).map(keyword).toSorted(), [
      '8BITMIME',
      'DSN',
      'ENHANCEDSTATUSCODES',
      'PIPELINING',
      'SIZE',
      'SMTPUTF8',
    ]);
  },
);

test('offers no more than a poor hop can carry, its SIZE included', LIMIT, async () => {
  await poor.delivers();
  const list = await offered(poor);
  assert.deepEqual(list.map(keyword).toSorted(), ['PIPELINING', 'SIZE']);
  assert.equal(sizeIn(list) <= 12_345, true, list.join());
});

test('offers with several upstreams what all of them can carry', LIMIT, async () => {
  await using other = await ScriptedUpstream.start({
    mode: 'implicit',
    identity: rich.authority.issue(),
    keywords: ['SIZE 23456', 'DSN', 'CHUNKING'],
  });
  await using relay = await startRelay({
    SEALPOST_UPSTREAM: rich.upstream.url,
    SEALPOST_TLS_CA_FILE: rich.authority.caFile,
    SEALPOST_UPSTREAM_OTHER_URL: other.url,
    SEALPOST_ROUTES: 'to=@other.test -> other',
  });
  const listed = async (): Promise<readonly string[]> => {
    using client = await SmtpDialog.open(relay.port());
    return (await accepted(client, 'EHLO client.test')).lines.slice(1).map(keyword).toSorted();
  };
  const send = async (to: string): Promise<void> => {
    using client = await SmtpDialog.open(relay.port());
    assert.equal((await client.send('Subject: x\r\n\r\nHello', 'a@x.test', to)).code, 250);
  };
  await send('b@y.test');
  assert.deepEqual(await listed(), ['8BITMIME', 'PIPELINING', 'SIZE'], 'the other is not known yet');
  await send('b@other.test');
  assert.deepEqual(await listed(), ['DSN', 'PIPELINING', 'SIZE']);
  await send('b@y.test');
  assert.deepEqual(await listed(), ['DSN', 'PIPELINING', 'SIZE'], 'whichever was used last');
});

test('offers the smaller of both sizes', LIMIT, async () => {
  await rich.delivers();
  assert.equal(sizeIn(await offered(rich)) <= 52_428_800, true);
});

test('offers AUTH PLAIN and LOGIN when SEALPOST_CLIENT_AUTH is any', LIMIT, async () => {
  const auth = (await offered(asking)).find((line) => keyword(line) === 'AUTH');
  assert.deepEqual(auth?.split(' ').slice(1).toSorted(), ['LOGIN', 'PLAIN']);
  await asking.delivers();
  assert.deepEqual((await offered(asking)).map(keyword).toSorted(), [
    '8BITMIME',
    'AUTH',
    'DSN',
    'ENHANCEDSTATUSCODES',
    'PIPELINING',
    'SIZE',
    'SMTPUTF8',
  ]);
});

for (const [verb, code] of [
  ['BDAT 5 LAST', 502],
  ['STARTTLS', 502],
  ['AUTH PLAIN AGEAYg==', 502],
] as const) {
  test(`refuses ${verb.split(' ')[0]}, which is not offered`, LIMIT, async () => {
    using client = await rich.client();
    await accepted(client, 'EHLO client.test');
    const reply = await client.command(verb);
    assert.ok([500, code, 503].includes(reply.code), reply.raw);
    await accepted(client, 'NOOP');
  });
}

async function offered(bed: RelayTestBed): Promise<readonly string[]> {
  using client = await bed.client();
  return (await accepted(client, 'EHLO client.test')).lines.slice(1);
}

function keyword(line: string): string {
  return line.split(' ', 1)[0]?.toUpperCase() ?? '';
}

function sizeIn(list: readonly string[]): number {
  return Number(list.find((line) => keyword(line) === 'SIZE')?.split(' ')[1]);
}
