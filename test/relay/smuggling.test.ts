/**
 * SMTP smuggling: whatever a client writes for a line end, the upstream sees the one message that RFC 5321 sees.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { connect } from 'node:tls';

import { LaxUpstream } from '../support/lax-upstream.ts';
import { TestAuthority } from '../support/pki.ts';
import { startRelay } from '../support/relay-process.ts';
import { RelayTestBed, WITH_CHUNKING, accepted, mailCommands } from '../support/relay-test-bed.ts';
import type { Scene } from '../support/relay-test-bed.ts';
import type { Connection } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { INNER, OUTER, VARIANTS, expected, payload, type Variant } from '../support/smuggling-variants.ts';

const LIMIT = { timeout: 30_000 };
const STRICT = { SEALPOST_LINE_ENDINGS: 'strict' };
const [byData, byBdat, strictByData, strictByBdat] = await Promise.all([
  RelayTestBed.start(),
  RelayTestBed.start({ keywords: WITH_CHUNKING }),
  RelayTestBed.start({ variables: STRICT }),
  RelayTestBed.start({ keywords: WITH_CHUNKING, variables: STRICT }),
]);
const authority = new TestAuthority();
after(() => authority.remove());
after(async () => Promise.all([byData, byBdat, strictByData, strictByBdat].map(async (bed) => bed.stop())));

type Writing = (client: SmtpDialog, octets: Buffer) => Promise<void>;
const WRITINGS: readonly (readonly [string, Writing])[] = [
  ['in one write', async (client, octets) => Promise.resolve(client.write(octets))],
  ['octet by octet', dripping],
];

for (const [way, bed] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  for (const [how, write] of WRITINGS) {
    for (const variant of VARIANTS) {
      test(`makes one message of ${variant.name} ${how}, by ${way}`, LIMIT, async () => {
        const scene = bed.begin();
        using client = await inData(bed);
        await write(client, payload(variant));
        assert.equal((await client.reply()).code, 250);
        await accepted(client, 'NOOP');
        assertOneMessage(scene, way, variant);
      });
    }
  }
}

for (const [way, bed] of [
  ['DATA', strictByData],
  ['BDAT', strictByBdat],
] as const) {
  for (const [how, write] of WRITINGS) {
    for (const variant of VARIANTS.filter((one) => one.isStray)) {
      test(`refuses ${variant.name} ${how} when strict, by ${way}`, LIMIT, async () => {
        const { scene, unfinished } = beginWatching(bed);
        using client = await inData(bed);
        await write(client, payload(variant));
        assert.match((await client.reply()).raw, /^554 5\.6\.0 /);
        await accepted(client, 'NOOP');
        assert.equal(scene.messages.length, 0);
        await unfinished();
      });
    }
  }

  for (const variant of VARIANTS.filter((one) => !one.isStray)) {
    test(`takes ${variant.name} also when strict, by ${way}`, LIMIT, async () => {
      const scene = bed.begin();
      using client = await inData(bed);
      client.write(payload(variant));
      assert.equal((await client.reply()).code, 250);
      assertOneMessage(scene, way, variant);
    });
  }

  test(
    `refuses a stray line ending in the header and far behind it when strict, by ${way}`,
    LIMIT,
    async () => {
      for (const content of [
        'Subject: a\nX: b\r\n\r\nbody',
        `Subject: a\r\n\r\n${'line\r\n'.repeat(50_000)}bare\rCR`,
        `Subject: a\r\n\r\n${'line\r\n'.repeat(50_000)}bare\n`,
        'Subject: a\r\n\r\nends with CR\r',
      ]) {
        const { scene, unfinished } = beginWatching(bed);
        using client = await bed.client();
        assert.match((await client.send(content)).raw, /^554 5\.6\.0 /);
        assert.equal(scene.messages.length, 0);
        await unfinished();
      }
      await bed.delivers();
    },
  );
}

for (const [way, bed] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  test(
    `ends at CRLF.CRLF behind a stray CR and takes what follows for commands, by ${way}`,
    LIMIT,
    async () => {
      const scene = bed.begin();
      using client = await inData(bed);
      client.write(`${OUTER}\r\r\n.\r\nMAIL FROM:<second@x.test>\r\nNOOP\r\n`);
      assert.equal((await client.reply()).code, 250);
      assert.equal((await client.reply()).code, 250);
      assert.equal((await client.reply()).code, 250);
      assert.ok(scene.messages[0]?.content.toString().endsWith(`${OUTER} \r\n`) === true);
    },
  );

  test(`mends line endings in the header too, by ${way}`, LIMIT, async () => {
    const scene = bed.begin();
    using client = await bed.client();
    assert.equal(
      (await client.send('Subject: unix\nDate: x\nMessage-ID: <1@x.test>\n\nbody\n.line\n\nend')).code,
      250,
    );
    const content = scene.messages[0]?.content.toString() ?? '';
    assert.match(
      content,
      /\r\nSubject: unix\r\nDate: x\r\nMessage-ID: <1@x\.test>\r\n\r\nbody\r\n\.line\r\n\r\nend\r\n$/,
    );
    assert.equal(content.match(/^(?:date|message-id):/gim)?.length, 2, 'fields behind a bare LF are seen');
  });
}

for (const chunking of [false, true]) {
  test(`fools no lax upstream ${chunking ? 'with' : 'without'} CHUNKING`, LIMIT, async () => {
    await using lax = await LaxUpstream.start(authority.issue(), chunking);
    await using relay = await startRelay({
      SEALPOST_UPSTREAM: `smtps://localhost:${lax.port}`,
      SEALPOST_TLS_CA_FILE: authority.caFile,
    });
    for (const variant of VARIANTS) {
      const seen = lax.messages.length;
      using client = await SmtpDialog.open(relay.port());
      await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
      client.write(payload(variant));
      assert.equal((await client.reply()).code, 250, variant.name);
      await accepted(client, 'NOOP');
      assert.deepEqual(
        lax.messages.slice(seen).map((one) => one.mail),
        ['MAIL FROM:<a@x.test>'],
        variant.name,
      );
    }
    assert.ok(!lax.commands.some((line) => line.includes('evil')));
  });
}

test('would see a lax upstream fooled if nothing stood between', LIMIT, async () => {
  await using lax = await LaxUpstream.start(authority.issue(), false);
  for (const variant of VARIANTS) {
    const seen = lax.messages.length;
    const socket = connect({
      port: lax.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: authority.caPem,
    });
    await once(socket, 'secureConnect');
    using client = SmtpDialog.over(socket);
    assert.equal((await client.reply()).code, 220);
    await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    client.write(payload(variant));
    client.write('QUIT\r\n');
    await client.ended();
    assert.equal(lax.messages.length - seen, variant.fools ? 2 : 1, variant.name);
  }
});

async function inData(bed: RelayTestBed): Promise<SmtpDialog> {
  const client = await bed.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  return client;
}

async function dripping(client: SmtpDialog, octets: Buffer): Promise<void> {
  for (const octet of octets) {
    client.write(Buffer.from([octet]));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function assertOneMessage(scene: Scene, way: 'DATA' | 'BDAT', variant: Variant): void {
  assert.equal(scene.messages.length, 1);
  const [message] = scene.messages;
  assert.equal(message?.by, way);
  assert.equal(message.mail, 'MAIL FROM:<a@x.test>');
  const content = message.content.toString('latin1');
  assert.ok(!/\r(?!\n)|(?<!\r)\n/.test(content), 'no bare CR, no bare LF');
  assert.ok(content.startsWith('Received: '));
  const start = content.indexOf(OUTER);
  assert.equal(content.slice(start), expected(variant));
  assert.ok(content.includes(INNER), 'the smuggled commands are text');
  const verbs = mailCommands(scene).map((line) => line.slice(0, 4));
  assert.deepEqual([...new Set(verbs)], ['MAIL', 'RCPT', way]);
}

/** A scene that also watches that no message was ended: no final dot on the wire, no BDAT LAST. */
function beginWatching(bed: RelayTestBed): { scene: Scene; unfinished: () => Promise<void> } {
  const touched = new Map<Connection, number>();
  const scene = bed.begin({
    answer: (line, at) => {
      if (line === 'DATA') touched.set(at, at.secured.length);
      return undefined;
    },
  });
  const unfinished = async (): Promise<void> => {
    for (const [at, start] of touched) {
      if (!at.closed) await once(at.raw, 'close'); // content behind DATA cannot be taken back: the hop must end
      assert.ok(!at.secured.subarray(start).includes('\r\n.\r\n'), 'no final dot');
    }
    assert.ok(!scene.commands.some((line) => /^BDAT .*LAST/i.test(line)), 'no BDAT LAST');
  };
  return { scene, unfinished };
}
