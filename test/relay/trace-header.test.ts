/**
 * What is put in front of a message, and that everything else arrives octet for octet.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { RelayTestBed, WITH_CHUNKING, accepted } from '../support/relay-test-bed.ts';

const LIMIT = { timeout: 20_000 };
const [byData, byBdat] = await Promise.all([
  RelayTestBed.start(),
  RelayTestBed.start({ keywords: WITH_CHUNKING }),
]);
after(async () => Promise.all([byData.stop(), byBdat.stop()]));

const DATE_TIME = String.raw`(?:\w{3}, )?\d{1,2} \w{3} \d{4} \d{2}:\d{2}:\d{2} [+-]\d{4}`;
const COMPLETE = 'Date: Sun, 22 Nov 2026 04:48:00 +0000\r\nMessage-ID: <1@x.test>\r\n';

interface Original {
  readonly name: string;
  readonly content: Buffer;
  /** What has to be added besides the trace header. */
  readonly lacks: readonly string[];
}

function original(name: string, content: string | Buffer, ...lacks: readonly string[]): Original {
  return { name, content: Buffer.isBuffer(content) ? content : Buffer.from(content, 'latin1'), lacks };
}

const ORIGINALS: readonly Original[] = [
  original('a complete message', `${COMPLETE}Subject: x\r\n\r\nHello\r\n`),
  original('neither Date nor Message-ID', 'Subject: x\r\n\r\nHello\r\n', 'Date', 'Message-ID'),
  original('no Date', 'Message-ID: <1@x.test>\r\nSubject: x\r\n\r\nHello\r\n', 'Date'),
  original('no Message-ID', 'Date: Sun, 22 Nov 2026 04:48:00 +0000\r\n\r\nHello\r\n', 'Message-ID'),
  original('both in upper case', `${COMPLETE.toUpperCase()}\r\nHello\r\n`),
  original('both in lower case', `${COMPLETE.toLowerCase()}\r\nHello\r\n`),
  original(
    'both folded',
    'DATE:\r\n Sun, 22 Nov 2026\r\n\t04:48:00 +0000\r\nMessage-Id:\r\n <1@x.test>\r\n\r\nx\r\n',
  ),
  original(
    'a blank before the colon',
    'Date : Sun, 22 Nov 2026 04:48:00 +0000\r\nMessage-ID : <1@x>\r\n\r\nx\r\n',
  ),
  original(
    'names that only begin alike',
    'Date-Line: x\r\nMessage-IDs: y\r\n\r\nx\r\n',
    'Date',
    'Message-ID',
  ),
  original(
    'names in a folded line',
    'Subject: x\r\n Date: no\r\n\tMessage-ID: no\r\n\r\nx\r\n',
    'Date',
    'Message-ID',
  ),
  original('names in the body', `Subject: x\r\n\r\n${COMPLETE}`, 'Date', 'Message-ID'),
  original('no header at all, a blank line first', '\r\nHello\r\n', 'Date', 'Message-ID'),
  original('a header without a body', `${COMPLETE}Subject: x\r\n`),
  original('a header, a blank line and no body', `${COMPLETE}Subject: x\r\n\r\n`),
  original('leading dots', `${COMPLETE}\r\n.\r\n..\r\n...\r\n.x\r\n. \r\nx.\r\n`),
  original('a dot in the header', `${COMPLETE}X: a\r\n.X: b\r\n\r\nx\r\n`),
  original('trailing blank lines', `${COMPLETE}\r\nx\r\n\r\n\r\n\r\n`),
  original('octets of all values but CR and LF', allOctets()),
  original('one line of 200 000 octets', `${COMPLETE}\r\n${'long'.repeat(50_000)}\r\n`),
  original('many short lines', `${COMPLETE}\r\n${'.\r\n\r\n'.repeat(30_000)}`),
  original(
    'broken MIME',
    `${COMPLETE}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nunfinished\r\n`,
  ),
  original(
    'odd but legal header spelling',
    `${COMPLETE}sUBJECT:x\r\nX-Tab:\tx  \r\nX-Empty:\r\n\r\nx \t\r\n`,
  ),
];

for (const [way, bed] of [
  ['DATA', byData],
  ['BDAT', byBdat],
] as const) {
  for (const { name, content, lacks } of ORIGINALS) {
    test(`passes octet for octet, by ${way}: ${name}`, LIMIT, async () => {
      const { front, rest } = await relayed(bed, content);
      assert.ok(rest.equals(content), 'the message itself is unchanged');
      assert.deepEqual(fieldNames(front), ['Received', ...lacks]);
    });
  }

  test(`passes an empty message, by ${way}`, LIMIT, async () => {
    const { front } = await relayed(bed, Buffer.alloc(0));
    assert.deepEqual(fieldNames(front.replace(/\r\n\r\n$/, '\r\n')), ['Received', 'Date', 'Message-ID']);
  });

  test(`passes a body that begins without a blank line, by ${way}`, LIMIT, async () => {
    const { front, rest } = await relayed(bed, Buffer.from('Hello, no header here\r\nSecond line\r\n'));
    assert.equal(rest.toString(), 'Hello, no header here\r\nSecond line\r\n');
    assert.deepEqual(fieldNames(front.replace(/\r\n\r\n$/, '\r\n')), ['Received', 'Date', 'Message-ID']);
  });
}

test(
  'goes behind the envelope line of an mbox file, which would end the header elsewhere',
  LIMIT,
  async () => {
    const line = 'From a@x.test Sun Nov 22 09:30:00 2026\r\n';
    const message = 'Subject: x\r\nFrom: a@x.test\r\n\r\nHello\r\n';
    const { front, rest } = await relayed(byData, Buffer.from(message), Buffer.from(line));
    assert.equal(rest.toString(), message);
    assert.ok(front.startsWith(line), front);
    assert.deepEqual(fieldNames(front.slice(line.length)), ['Received', 'Date', 'Message-ID']);
  },
);

test('writes the trace header as RFC 5321 §4.4 has it', LIMIT, async () => {
  const { front } = await relayed(byData, Buffer.from(`${COMPLETE}\r\nx\r\n`));
  const trace = front.replaceAll(/\r\n[ \t]+/g, ' ').trimEnd();
  const wanted = `^Received: from client\\.test \\(.*\\[127\\.0\\.0\\.1\\]\\) by relay\\.example\\.test(?: \\([^)]*\\))? with ESMTP id \\S+(?: for <b@y\\.test>)?; ${DATE_TIME}$`;
  assert.match(trace, new RegExp(wanted));
  assert.ok(front.split('\r\n').every((line) => line.length <= 998));
});

test('says SMTP in the trace header for a client that said HELO', LIMIT, async () => {
  const scene = byData.begin();
  using client = await byData.client();
  await accepted(client, 'HELO old-printer', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  client.write(`${COMPLETE}\r\nx\r\n.\r\n`);
  assert.equal((await client.reply()).code, 250);
  const content = scene.messages[0]?.content.toString('latin1').replaceAll(/\r\n[ \t]+/g, ' ') ?? '';
  assert.match(
    content,
    /^Received: from old-printer \(.*\[127\.0\.0\.1\]\) by relay\.example\.test.* with SMTP id /,
  );
});

test('names no recipient in the trace header when there are several', LIMIT, async () => {
  const scene = byData.begin();
  using client = await byData.client();
  await accepted(
    client,
    'EHLO client.test',
    'MAIL FROM:<a@x.test>',
    'RCPT TO:<b@y.test>',
    'RCPT TO:<hidden@y.test>',
    'DATA',
  );
  client.write(`${COMPLETE}\r\nx\r\n.\r\n`);
  assert.equal((await client.reply()).code, 250);
  assert.ok(scene.messages[0]?.content.includes('hidden@') === false, 'a blind recipient stays unseen');
});

for (const name of ['evil)\tby forged (', 'a;b', '"quoted"', '[127.0.0.1]', 'ümlaut.test', '<x>']) {
  test(`keeps the trace header one well-formed field whatever HELO name came: ${name}`, LIMIT, async () => {
    const scene = byData.begin();
    using client = await byData.client();
    const greeted = await client.command(`HELO ${name}`);
    if (greeted.code >= 400) return; // refused is as good
    await accepted(client, 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
    client.write(`${COMPLETE}\r\nx\r\n.\r\n`);
    assert.equal((await client.reply()).code, 250);
    const content = scene.messages[0]?.content.toString('latin1') ?? '';
    assert.deepEqual(fieldNames(content.slice(0, content.indexOf('Date:'))), ['Received']);
    assert.ok(!/[^\r\n\t\u0020-\u007e]/.test(content), 'ASCII only');
    assert.equal(content.match(/\sby\s/g)?.length, 1, 'one by clause');
  });
}

test('makes Date and Message-ID well-formed, each Message-ID another', LIMIT, async () => {
  const fronts = [
    await relayed(byData, Buffer.from('\r\nx\r\n')),
    await relayed(byData, Buffer.from('\r\nx\r\n')),
  ];
  const ids = fronts.map(({ front }) => {
    assert.match(front, new RegExp(`^Date: ${DATE_TIME}\r$`, 'm'));
    return /^Message-ID: (<[^<>@\s]+@relay\.example\.test>)\r$/m.exec(front)?.[1];
  });
  assert.notEqual(ids[0], undefined);
  assert.notEqual(ids[0], ids[1]);
});

/** Sends content by DATA, properly stuffed, and tells apart what was put in front of it. */
/** @param before what the client sends before the content and need not arrive right before it */
async function relayed(
  bed: RelayTestBed,
  content: Buffer,
  before = Buffer.alloc(0),
): Promise<{ front: string; rest: Buffer }> {
  const scene = bed.begin();
  using client = await bed.client();
  await accepted(client, 'EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>', 'DATA');
  client.write(before);
  client.write(Buffer.from(`${content.toString('latin1').replaceAll(/(^|\r\n)\./g, '$1..')}.\r\n`, 'latin1'));
  const reply = await client.reply();
  assert.equal(reply.code, 250, reply.raw);
  const arrived = scene.messages[0]?.content ?? Buffer.alloc(0);
  const border = arrived.length - content.length;
  return { front: arrived.subarray(0, border).toString('latin1'), rest: arrived.subarray(border) };
}

/** Names of the fields in a run of header lines; anything that is not a field shows as itself. */
function fieldNames(text: string): readonly string[] {
  const unfolded = text.replaceAll(/\r\n[ \t]/g, ' ');
  return unfolded
    .split('\r\n')
    .slice(0, -1)
    .map((line) => /^([!-9;-~]+):/.exec(line)?.[1] ?? line);
}

function allOctets(): Buffer {
  const octets = Array.from({ length: 256 }, (_, value) => value).filter(
    (value) => value !== 13 && value !== 10,
  );
  return Buffer.concat([Buffer.from(`${COMPLETE}\r\n`), Buffer.from(octets), Buffer.from('\r\n')]);
}
