/**
 * What the store of spooled messages promises where several relays share it: a real PostgreSQL.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { parseDatabasePlace } from '../../src/database/database-place.ts';
import { Database } from '../../src/database/database.ts';
import { RelayError } from '../../src/protocol/failure.ts';
import { DraftRoom } from '../../src/spool/draft-room.ts';
import { PostgresStore } from '../../src/spool/postgres-store.ts';
import type { Claim } from '../../src/spool/spool-store.ts';
import { assertListed, copiesOf } from '../support/many-messages.ts';
import { PASSWORD } from '../support/peers/peer.ts';
import { PostgresServer } from '../support/peers/postgres-server.ts';
import { SeveredPostgres } from '../support/peers/severed-postgres.ts';
import { add, contentOf, pagesIn, ROOMY, spooled, type StoreAndRoom } from '../support/spool-place.ts';

const LIMIT = { timeout: 60_000 };
const postgres = await PostgresServer.start(undefined, PASSWORD);
const directory = await mkdtemp(join(tmpdir(), 'sealpost-drafts-'));
const room = await DraftRoom.open(directory);
after(async () => {
  await room.close();
  await rm(directory, { recursive: true });
  await postgres[Symbol.asyncDispose]();
});

interface Stock extends StoreAndRoom, AsyncDisposable {
  readonly database: string;
}

function stock(database = postgres.newDatabase(), limits = ROOMY): Stock {
  const store = new PostgresStore(new Database(parseDatabasePlace(postgres.url(database)), {}), limits);
  return { database, store, room, [Symbol.asyncDispose]: async () => store.close() };
}

/** As if nobody had renewed any claim for long. */
function endClaims(database: string): void {
  postgres.sql(database, `UPDATE sealpost.messages SET claimed_until = now() - interval '1 minute'`);
}

async function claimOne({ store }: StoreAndRoom): Promise<Claim> {
  const [claim] = await store.claim({ route: undefined, limit: 1 });
  assert.ok(claim);
  return claim;
}

function isSpoolError(reason: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof RelayError && error.failure.kind === 'spool' && error.failure.reason === reason;
}

test('gives back what it was given, none, small and large', LIMIT, async () => {
  await using at = stock();
  for (const octets of [0, 10, 131_072, 700_001]) {
    const content = Buffer.alloc(octets, 'x\r\n\0\\');
    const added = await add(at, `of${octets}`, content);
    assert.deepEqual((await at.store.get(added.id))?.message, added);
    assert.ok((await contentOf(at, added.id)).equals(content), String(octets));
  }
});

test('makes its tables once for relays that start at the same time', LIMIT, async () => {
  const database = postgres.newDatabase();
  await using all = new AsyncDisposableStack();
  const stores = Array.from({ length: 6 }, () => all.use(stock(database)).store);
  const measured = await Promise.all(stores.map(async (store) => store.measure()));
  assert.deepEqual(
    measured.map(({ messages }) => messages),
    [0, 0, 0, 0, 0, 0],
  );
  assert.equal(postgres.sql(database, 'SELECT part, version FROM sealpost.versions'), 'spool|2');
});

test('leaves the tables of a newer version alone', LIMIT, async () => {
  await using at = stock();
  await at.store.measure();
  postgres.sql(at.database, 'UPDATE sealpost.versions SET version = 99');
  await using later = stock(at.database);
  await assert.rejects(later.store.measure(), isSpoolError('tables-of-version-99'));
});

test('refuses what is beyond its limits, and keeps nothing of it', LIMIT, async () => {
  await using at = stock(undefined, { maxMessages: 2, maxOctets: 100 });
  await add(at, 'first', Buffer.alloc(60));
  await assert.rejects(add(at, 'toolarge', Buffer.alloc(41)), isSpoolError('full'));
  await add(at, 'second', Buffer.alloc(40));
  await assert.rejects(add(at, 'toomany', Buffer.alloc(0)), isSpoolError('full'));
  assert.equal(postgres.sql(at.database, 'SELECT count(DISTINCT message) FROM sealpost.contents'), '2');
  assert.equal((await at.store.measure()).octets, 100);
});

test('gives each message to one of those who claim at once', LIMIT, async () => {
  const database = postgres.newDatabase();
  await using all = new AsyncDisposableStack();
  const stocks = Array.from({ length: 3 }, () => all.use(stock(database)));
  const [first] = stocks;
  assert.ok(first);
  for (let n = 0; n < 12; n += 1) await add(first, `m${n}`, Buffer.from('x'));
  const claimed = await Promise.all(
    stocks.map(async ({ store }) => store.claim({ route: undefined, limit: 12 })),
  );
  const rest = await first.store.claim({ route: undefined, limit: 12 }); // of those that others had locked for a moment
  const ids = [...claimed, rest].flat().map(({ message }) => message.id);
  assert.equal(ids.length, 12);
  assert.equal(new Set(ids).size, 12);
});

test(
  'gives a claim that nobody renewed to another, who hears that it may have been delivered',
  LIMIT,
  async () => {
    await using first = stock();
    await using second = stock(first.database);
    await add(first, 'm', Buffer.from('x'));
    const lost = await claimOne(first);
    assert.deepEqual(await second.store.claim({ route: undefined, limit: 1 }), []);
    endClaims(first.database);
    const taken = await claimOne(second);
    assert.equal(taken.message.attempts, 2);
    assert.deepEqual(
      taken.message.recipients.map(({ mayHaveIt }) => mayHaveIt),
      [true],
    );
    assert.equal(await first.store.settle(lost, undefined), false);
    assert.equal(await second.store.settle(taken, undefined), true);
    assert.equal(postgres.sql(first.database, 'SELECT count(*) FROM sealpost.contents'), '0');
  },
);

test('renews a claim that has ended, unless another has the message', LIMIT, async () => {
  await using at = stock();
  await add(at, 'm', Buffer.from('x'));
  const claim = await claimOne(at);
  endClaims(at.database);
  assert.equal(await at.store.renew([claim]), 1);
  const left = `SELECT claimed_until > now() + interval '20 seconds' FROM sealpost.messages`;
  assert.equal(postgres.sql(at.database, left), 't');
  endClaims(at.database);
  await claimOne(at);
  assert.equal(await at.store.renew([claim]), 0);
});

test('tells of a message that it cannot read, and gives out the others as they were', LIMIT, async () => {
  await using at = stock();
  for (const id of ['bad', 'lost', 'good']) await add(at, id, Buffer.from('x'));
  await at.store.claim({ route: undefined, limit: 3 });
  endClaims(at.database);
  postgres.sql(
    at.database,
    `UPDATE sealpost.messages SET claim = NULL, claimed_until = NULL WHERE id = 'good';
     UPDATE sealpost.messages SET recipients = 'nonsense' WHERE id = 'bad'`,
  );
  await assert.rejects(at.store.claim({ route: undefined, limit: 3 }), {
    failure: { kind: 'spool', reason: 'unreadable bad' },
  });
  const claims = await at.store.claim({ route: undefined, limit: 3 });
  const marks = claims.map(({ message: { id, recipients, attempts } }) => [
    id,
    attempts,
    recipients[0]?.mayHaveIt,
  ]);
  assert.deepEqual(
    marks.toSorted(([a = ''], [b = '']) => String(a).localeCompare(String(b))),
    [
      ['good', 2, false],
      ['lost', 2, true],
    ],
  );
});

test('writes down what became of a message together with the report on it', LIMIT, async () => {
  await using at = stock();
  await add(at, 'm', Buffer.from('x'));
  const claim = await claimOne(at);
  const content = room.draft();
  await content.write([Buffer.from('report')]);
  const report = { message: { ...spooled('report', 6), kind: 'bounce' as const }, content };
  const after_ = { ...claim.message, nextAttemptAt: Date.now() + 60_000, isDelayTold: true };
  assert.equal(await at.store.settle(claim, after_, report), true);
  assert.deepEqual((await at.store.get('m'))?.message, after_);
  assert.equal((await contentOf(at, 'report')).toString(), 'report');
});

test('leaves messages of a paused upstream alone until they are due for other reasons', LIMIT, async () => {
  await using at = stock();
  await add(at, 'm', Buffer.from('x'));
  assert.deepEqual(await at.store.claim({ route: undefined, limit: 1, isPaused: true }), []);
  assert.equal(await at.store.retryNow('m'), 1);
  await claimOne({ ...at });
  assert.equal(await at.store.remove('m'), 'claimed');
  endClaims(at.database);
  assert.equal(await at.store.remove('m'), 'removed');
  assert.equal(await at.store.remove('m'), 'unknown');
  assert.equal(await at.store.nextDueAt(), undefined);
});

test('lists all messages in the order of arrival, some at a time', LIMIT, async () => {
  await using at = stock();
  await add(at, 'm0', Buffer.from('x'));
  postgres.sql(at.database, copiesOf('sealpost.messages'));
  assertListed(await pagesIn(at.store));
});

/** A store whose connections can be broken. */
async function severedStock(): Promise<Stock & { readonly way: SeveredPostgres }> {
  const database = postgres.newDatabase();
  const way = await SeveredPostgres.before(postgres.port);
  const url = postgres.url(database).replace(`:${postgres.port}/`, `:${way.port}/`);
  const store = new PostgresStore(new Database(parseDatabasePlace(url), {}), ROOMY);
  const end = async (): Promise<void> => {
    await store.close();
    await way[Symbol.asyncDispose]();
  };
  return { database, store, room, way, [Symbol.asyncDispose]: end };
}

test('survives a server that is stopped as soon as it has let us in', LIMIT, async () => {
  await using at = await severedStock();
  at.way.cut = 'behind the login';
  await assert.rejects(at.store.measure(), { name: 'RelayError' });
  let isBack = false;
  while (!isBack) isBack = await at.store.measure().then(Boolean, () => false);
});

test('has taken a message whose commit was not answered, where it is there', LIMIT, async () => {
  await using at = await severedStock();
  await at.store.measure();
  at.way.cut = 'its answer';
  await add(at, 'm', Buffer.from('x'));
  assert.equal((await contentOf(at, 'm')).toString(), 'x');
});

test('says that a message may be delivered whose commit was not answered', LIMIT, async () => {
  await using at = await severedStock();
  await at.store.measure();
  at.way.cut = 'the commit';
  await assert.rejects(add(at, 'm', Buffer.from('x')), (error: unknown) => {
    assert.ok(error instanceof RelayError);
    assert.partialDeepStrictEqual(error.failure, { kind: 'spool', mayBeDelivered: true });
    return true;
  });
  assert.deepEqual(await pagesIn(at.store), []);
});

test('has settled a claim whose commit was not answered, if it was done', LIMIT, async () => {
  await using at = await severedStock();
  for (const cut of ['its answer', 'the commit'] as const) {
    await add(at, cut, Buffer.from('x'));
    const claim = await claimOne(at);
    at.way.cut = cut;
    const settled = at.store.settle(claim, { ...claim.message, nextAttemptAt: Date.now() + 60_000 });
    if (cut === 'its answer') assert.equal(await settled, true);
    else await assert.rejects(settled, { name: 'RelayError' });
    const isClaimed = (await at.store.get(cut))?.isClaimed;
    assert.equal(isClaimed, cut === 'the commit');
  }
});

test('says so when the database has gone, and goes on when it is back', LIMIT, async () => {
  await using own = await PostgresServer.start(undefined, PASSWORD);
  const database = own.newDatabase();
  await using store = new AsyncDisposableStack();
  const at = {
    room,
    store: new PostgresStore(new Database(parseDatabasePlace(own.url(database)), {}), ROOMY),
  };
  store.defer(async () => at.store.close());
  await add(at, 'before', Buffer.alloc(200_000, 'a'));
  const claim = await claimOne(at);
  await own.crash();
  await assert.rejects(add(at, 'meanwhile', Buffer.from('x')), { name: 'RelayError' });
  await assert.rejects(at.store.settle(claim, undefined), { name: 'RelayError' });
  await own.run();
  let isSettled = false;
  while (!isSettled) isSettled = await at.store.settle(claim, undefined).catch(() => false);
  await add(at, 'after', Buffer.from('x'));
  assert.deepEqual(
    (await pagesIn(at.store)).flat().map(({ message }) => message.id),
    ['after'],
  );
});
