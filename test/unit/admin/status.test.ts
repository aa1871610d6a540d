/**
 * The status as a fold: what is told of happenings, and how much is kept of many of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Status, type Update } from '../../../src/admin/status/status.ts';
import type { EventName, Events } from '../../../src/log/events.ts';
import type { AddressShown } from '../../../src/relay/shown-address.ts';

const START = Date.UTC(2026, 10, 22, 9, 30);

const SECURED: Events['hop.secured'] = {
  hid: 'h1',
  host: 'smtp.example.test',
  port: 465,
  name: 'smtp.example.test',
  authenticatedBy: 'pkix',
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  group: 'X25519MLKEM768',
  fingerprint: 'AA:BB',
  notAfter: '2027-01-01T00:00:00.000Z',
  mechanism: 'SCRAM-SHA-256',
  handshakeMs: 20,
  ms: 60,
  probed: false,
};

const INSECURE: Events['hop.insecure'] = {
  hid: 'h2',
  host: 'smtp.example.test',
  port: 465,
  address: '192.0.2.1',
  localAddress: '192.0.2.9',
  phase: 'handshake',
  resultType: 'certificate-not-trusted',
  reason: 'SELF_SIGNED_CERT_IN_CHAIN',
};

const DELIVERED: Events['transaction.delivered'] = {
  sid: 's1',
  tid: 't1',
  hid: 'h1',
  client: '127.0.0.1',
  user: 'printer@example.test',
  reply: '250 2.0.0 Queued as 4711',
  recipients: 1,
  octets: 4_000,
  waitMs: 60,
  contentMs: 5,
  verdictMs: 10,
  ms: 20,
};

const REFUSED: Events['transaction.refused'] = {
  sid: 's1',
  tid: 't2',
  hid: undefined,
  client: '127.0.0.1',
  user: undefined,
  failure: 'tls',
  phase: 'handshake',
  reply: '451 4.7.5 The certificate is not trusted.',
  ms: 3,
};

class Scene {
  now = START;
  readonly status: Status;

  constructor(addresses: AddressShown = 'mask') {
    this.status = new Status(addresses, () => this.now);
  }

  tell<E extends EventName>(event: E, fields: Events[E]): this {
    this.now += 1;
    this.status.observer[event]?.(fields);
    return this;
  }

  get whole(): Update {
    return this.status.whole();
  }
}

test('waits for the first message, and says so', () => {
  assert.equal(new Scene().whole.overview.verdict.state, 'waiting');
});

test('says that mail flows when the last was delivered by a hop that is secured', () => {
  const { overview, stories } = new Scene()
    .tell('hop.secured', SECURED)
    .tell('transaction.delivered', DELIVERED).whole;
  assert.equal(overview.verdict.state, 'flowing');
  assert.equal(overview.upstreams[0]?.secured?.cipher, 'TLS_AES_256_GCM_SHA384');
  const [story] = stories;
  assert.equal(story?.hop?.use, 1);
  assert.deepEqual(story?.timings, { waitMs: 60, envelopeMs: 5, contentMs: 5, verdictMs: 10, ms: 80 });
});

test('says that no mail can go, and what to change, from the failure of the only upstream until it is secured', () => {
  const scene = new Scene().tell('hop.secured', SECURED).tell('hop.insecure', INSECURE);
  scene.tell('transaction.refused', REFUSED);
  const { verdict, upstreams } = scene.whole.overview;
  assert.equal(verdict.state, 'stopped');
  assert.match(verdict.advice, /not from a trusted authority.*SEALPOST_TLS_CA_FILE/);
  assert.deepEqual(upstreams[0]?.failure?.result, 'certificate-not-trusted');
  scene.tell('hop.secured', { ...SECURED, hid: 'h3' }).tell('transaction.delivered', DELIVERED);
  assert.equal(scene.whole.overview.verdict.state, 'flowing');
});

test('says which upstream fails while another carries the mail', () => {
  const { verdict } = new Scene()
    .tell('hop.insecure', INSECURE)
    .tell('hop.secured', { ...SECURED, host: 'second.example.test' })
    .tell('transaction.delivered', DELIVERED).whole.overview;
  assert.equal(verdict.state, 'troubled');
  assert.match(verdict.sentence, /smtp\.example\.test:465/);
});

test('does not call a port failed that was tried before another port of the same host served', () => {
  const { overview } = new Scene()
    .tell('hop.refused', { ...INSECURE, phase: 'connect', failure: 'unreachable', reason: 'ECONNREFUSED' })
    .tell('hop.secured', { ...SECURED, port: 587 }).whole;
  assert.equal(overview.verdict.state, 'flowing');
  assert.deepEqual(
    overview.upstreams.map(({ port }) => port),
    [587],
  );
});

for (const [failure, phase, reason, words] of [
  ['dns', 'resolve', 'not-found', /check SEALPOST_UPSTREAM and DNS/],
  ['unreachable', 'connect', 'ECONNREFUSED', /could not be reached \(ECONNREFUSED\)/],
  ['auth', 'auth', '535', /check SEALPOST_UPSTREAM_USER/],
  ['lost', 'ehlo', 'connection-closed', /was lost at ehlo/],
  ['session-refused', 'greeting', '554', /refused the session/],
] as const) {
  test(`tells in words what to do about a hop that was not opened: ${failure}`, () => {
    const { hid, host, port, address, localAddress } = INSECURE;
    const refused = { hid, host, port, address, localAddress, phase, failure, reason };
    assert.match(new Scene().tell('hop.refused', refused).whole.overview.verdict.advice, words);
  });
}

test('keeps one story of a message that waited in the spool and went later', () => {
  const { client, user } = DELIVERED;
  const spooled = { sid: 's1', tid: 't1', client, user, failure: 'unreachable', recipients: 1 } as const;
  const scene = new Scene().tell('message.spooled', { ...spooled, octets: 9, ms: 3 });
  assert.equal(scene.whole.stories[0]?.outcome, 'kept');
  assert.equal(scene.whole.overview.verdict.state, 'troubled');
  const later = { tid: 't1', hid: 'h1', reply: '250 Ok', recipients: 1, octets: 9, attempts: 2, ms: 60_000 };
  const { stories } = scene.tell('hop.secured', SECURED).tell('spool.delivered', later).whole;
  assert.equal(stories.length, 1);
  assert.deepEqual([stories[0]?.outcome, stories[0]?.client], ['delivered', client]);
});

test('shows a refused recipient in a message that was delivered to another', () => {
  const { sid, tid, hid, client, user } = DELIVERED;
  const reply = '550 5.1.1 <bob@example.test> is nobody';
  const scene = new Scene().tell('recipient.refused', { sid, tid, hid, client, user, reply });
  assert.equal(scene.whole.stories[0]?.outcome, 'refused');
  const [story] = scene.tell('transaction.delivered', DELIVERED).whole.stories;
  assert.equal(story?.outcome, 'delivered');
  assert.deepEqual(story?.refusals, ['550 5.1.1 <b…@example.test> is nobody']);
});

for (const [shown, user] of [
  ['mask', 'p…@example.test'],
  ['hide', '…'],
  ['show', 'printer@example.test'],
] as const) {
  test(`shows addresses as the operator wants them: ${shown}`, () => {
    assert.equal(new Scene(shown).tell('transaction.delivered', DELIVERED).whole.stories[0]?.user, user);
  });
}

test('shows of a thousand messages delivered in one second a hundred and the last fifty, and counts all', () => {
  const scene = new Scene();
  for (let count = 0; count < 1_000; count += 1)
    scene.tell('transaction.delivered', { ...DELIVERED, tid: `t${count}` }).now = START;
  const { stories, traffic } = scene.whole;
  const shown = new Set(stories.map(({ tid }) => tid));
  const surely = [...range(0, 100), ...range(950, 1_000)];
  assert.deepEqual(
    surely.filter((tid) => !shown.has(tid)),
    [],
  );
  assert.deepEqual(traffic['hour']?.spans[0]?.slice(1), [1_000, 0, 0]);
});

test('tells of a refusal at once, whatever number of deliveries comes with it', () => {
  const scene = new Scene();
  scene.tell('transaction.refused', REFUSED);
  for (const tid of range(100, 300)) scene.tell('transaction.delivered', { ...DELIVERED, tid }).now = START;
  const { stories } = scene.status.news();
  assert.ok(stories.some(({ tid }) => tid === REFUSED.tid));
  assert.ok(stories.length < 100);
});

test('calls nothing a message of which no content came', () => {
  const ended = { sid: 's1', helo: 'callout.example.test', exchanges: [] };
  const scene = new Scene().tell('transaction.delivered', DELIVERED);
  scene.tell('dialogue.ended', { ...ended, tid: 'nothing' }).tell('dialogue.ended', { ...ended, tid: 't1' });
  assert.deepEqual(
    scene.whole.stories.map(({ tid, helo }) => [tid, helo]),
    [['t1', 'callout.example.test']],
  );
});

test('says of a busy second, too, that a message was delivered of which one recipient was refused', () => {
  const scene = new Scene();
  const deliver = (tid: string): void =>
    void (scene.tell('transaction.delivered', { ...DELIVERED, tid }).now = START);
  for (const tid of range(0, 500)) deliver(tid);
  const reply = '550 5.1.1 No such user';
  scene.tell('recipient.refused', { ...DELIVERED, tid: 'partly', reply });
  deliver('partly');
  for (const tid of range(500, 1_000)) deliver(tid);
  const story = scene.whole.stories.find(({ tid }) => tid === 'partly');
  assert.deepEqual([story?.outcome, story?.refusals], ['delivered', [reply]]);
});

function range(from: number, to: number): readonly string[] {
  return Array.from({ length: to - from }, (_, place) => `t${from + place}`);
}

test('shows nothing more of an address on which a long reply is cut', () => {
  const reply = `550 5.1.1 ${'x'.repeat(485)} bobby@example.test`;
  const [story] = new Scene().tell('transaction.refused', { ...REFUSED, reply }).whole.stories;
  assert.match(story?.reply ?? '', /x b…@e$/);
});

test('counts by minute for an hour and longer spans for a day, and forgets what is older', () => {
  const scene = new Scene().tell('transaction.delivered', DELIVERED).tell('transaction.refused', REFUSED);
  assert.deepEqual(scene.whole.traffic['hour']?.spans, [[START, 1, 0, 1]]);
  scene.now += 2 * 3_600_000;
  assert.deepEqual(scene.whole.traffic['hour']?.spans, []);
  assert.deepEqual(scene.whole.traffic['day']?.spans, [[START, 1, 0, 1]]);
});

test('tells what is new once', () => {
  const scene = new Scene().tell('transaction.delivered', DELIVERED);
  assert.deepEqual(
    scene.status.news().stories.map(({ tid }) => tid),
    ['t1'],
  );
  assert.deepEqual(scene.status.news().stories, []);
});

test('counts what repeats itself, and lists it once', () => {
  const scene = new Scene();
  for (let times = 0; times < 3; times += 1)
    scene.tell('limit.reached', { sid: `s${times}`, client: '192.0.2.7', limit: 'connections' });
  const [notice, ...others] = scene.whole.overview.notices;
  assert.equal(notice?.times, 3);
  assert.deepEqual(others, []);
});

test('keeps memory bounded over ten thousand hostile transactions', () => {
  const scene = new Scene();
  const long = 'x'.repeat(20_000);
  for (let index = 0; index < 10_000; index += 1) {
    const [tid, hid, host] = [`t${index}`, `h${index}`, `u${index}.test`];
    scene.tell('hop.secured', { ...SECURED, hid, host });
    scene.tell('recipient.refused', { ...REFUSED, tid, hid, reply: long });
    scene.tell('transaction.delivered', { ...DELIVERED, tid, hid, reply: long });
    scene.tell('session.refused', { sid: tid, client: `${index}`, reason: long });
    scene.now += 60_000;
  }
  const { whole } = scene;
  assert.equal(whole.stories.length, 500);
  assert.equal(whole.stories.at(-1)?.tid, 't9999');
  assert.ok(whole.overview.upstreams.length <= 50);
  assert.ok(whole.overview.notices.length <= 50);
  assert.ok(JSON.stringify(whole).length < 1_000_000);
  assert.ok(scene.status.news().stories.length <= 100);
});
