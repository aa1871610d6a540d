import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decode, encode, type Answer } from 'dns-packet';
import fc from 'fast-check';

import { DnsError } from '../../../src/dns/dns-error.ts';
import { encodeQuery, readResponse, responseId, type Question } from '../../../src/dns/dns-message.ts';
import { A, readAnswer, SRV, TLSA } from '../../../src/dns/record-set.ts';
import { a, cname, response, soa, tlsa } from '../../support/dns-server.ts';

const question: Question = { type: 'A', name: 'host.test', isUnchecked: false };
const packet = decode(encodeQuery(7, question));

/** What reading octets ends with: a response, nothing, or the reason of a DnsError. Anything else thrown fails the test. */
function read(octets: Buffer, asked: Question = question): string {
  try {
    responseId(octets);
    const found = readResponse(octets, asked);
    if (found === undefined) return 'other';
    for (const kind of [A, SRV, TLSA]) readAnswer<unknown>(kind, asked.name, found);
    return 'response';
  } catch (error) {
    assert.ok(error instanceof DnsError, String(error));
    return error.reason;
  }
}

const SAMPLES: readonly Buffer[] = [
  response(
    { packet },
    { answers: [cname('host.test', 'other.test'), a('other.test', '127.0.0.1')], isSecure: true },
  ),
  response({ packet }, { code: 3, authorities: [soa(60, 30)] }),
  response({ packet }, { answers: [tlsa('host.test')] }),
  response(
    { packet },
    {
      answers: [
        tlsa('host.test'),
        { type: 'SRV', class: 'IN', name: 'host.test', data: { port: 465, target: 'smtp.host.test' } },
      ],
    },
  ),
];

test('asks with RD, AD and DO, and with CD only when nothing shall be checked', () => {
  const query = decode(encodeQuery(4_711, { ...question, isUnchecked: true }));
  const { id, flag_rd, flag_ad, flag_cd, questions } = query;
  assert.deepEqual(
    { id, flag_rd, flag_ad, flag_cd, questions },
    {
      id: 4_711,
      flag_rd: true,
      flag_ad: true,
      flag_cd: true,
      questions: [{ type: 'A', class: 'IN', name: 'host.test' }],
    },
  );
  const [opt] = query.additionals ?? [];
  assert.ok(opt?.type === 'OPT');
  assert.equal(opt.flag_do, true);
  assert.equal(opt.udpPayloadSize, 1_232);
  assert.equal(packet.flag_cd, false);
});

test('gives a response or a DnsError for any octets', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (octets) => void read(Buffer.from(octets))),
    {
      numRuns: 2_000,
    },
  );
});

test('gives a response or a DnsError for any header of its own before any octets', () => {
  const head = SAMPLES[0]?.subarray(0, 12) ?? Buffer.alloc(12);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => void read(Buffer.concat([head, octets]))),
    { numRuns: 2_000 },
  );
});

test('gives a response or a DnsError for a good response with octets changed', () => {
  const change = fc.tuple(fc.nat(200), fc.nat(255));
  fc.assert(
    fc.property(
      fc.constantFrom(...SAMPLES),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      (sample, changes) => {
        const octets = Buffer.from(sample);
        for (const [at, value] of changes) octets[at % octets.length] = value;
        read(octets);
      },
    ),
    { numRuns: 5_000 },
  );
});

test('refuses every good response that was cut short or has octets behind it', () => {
  for (const sample of SAMPLES) {
    assert.equal(read(sample), 'response');
    for (let length = 0; length < sample.length; length += 1) {
      assert.equal(read(sample.subarray(0, length)), 'malformed', `cut to ${length}`);
    }
    assert.equal(read(Buffer.concat([sample, Buffer.of(0)])), 'malformed');
  }
});

test('refuses a TLSA record whose length says less than it needs', () => {
  const octets = Buffer.from(SAMPLES[3] ?? Buffer.alloc(0));
  const at = octets.indexOf(Buffer.alloc(32, 7)) - 5;
  assert.equal(octets.readUInt16BE(at), 35);
  octets.writeUInt16BE(2, at);
  assert.equal(read(Buffer.concat([octets.subarray(0, at + 2 + 2)])), 'malformed');
});

test('refuses a TLSA record without association data', () => {
  const data = { usage: 3, selector: 1, matchingType: 0, certificate: Buffer.alloc(0) };
  const answers: Answer[] = [{ type: 'TLSA', class: 'IN', name: 'host.test', data }];
  assert.equal(read(response({ packet }, { answers })), 'malformed');
});

test('takes the response to another question for none', () => {
  assert.equal(read(response({ packet }, { name: 'other.test' })), 'other');
  assert.equal(read(response({ packet }), { ...question, type: 'AAAA' }), 'other');
  assert.equal(read(response({ packet }, { name: 'HOST.Test' })), 'response');
});

test('reads an extended response code', () => {
  const octets = encode({
    type: 'response',
    questions: [{ type: 'A', name: 'host.test' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 1_232,
        extendedRcode: 1,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  assert.equal(readResponse(octets, question)?.code, 16); // BADVERS, whose lower bits are those of NOERROR
});

test('accepts a failure without the question, and no answer without it', () => {
  assert.equal(readResponse(encode({ type: 'response', flags: 1 }), question)?.code, 1);
  assert.equal(read(encode({ type: 'response', flags: 0 })), 'malformed');
  assert.equal(read(encode({ type: 'response', flags: 3 })), 'malformed');
  assert.equal(read(response({ packet: { ...packet, questions: [...ask(), ...ask()] } })), 'malformed');
});

test('refuses another operation than a query', () => {
  const octets = response({ packet });
  octets[2] = (octets[2] ?? 0) | 0x10;
  assert.equal(read(octets), 'malformed');
});

const CHAINS: readonly (readonly [string, readonly Answer[], string, readonly string[]])[] = [
  ['takes the records of the asked name', [a('host.test', '127.0.0.1')], 'host.test', ['127.0.0.1']],
  ['compares owners without case', [a('HOST.test', '127.0.0.1')], 'host.test', ['127.0.0.1']],
  ['takes no record of another name', [a('other.test', '127.0.0.1')], 'host.test', []],
  ['takes no record of another type', [soa(1, 1)], 'host.test', []],
  [
    'follows a CNAME, whatever the order',
    [a('end.test', '127.0.0.2'), cname('mid.test', 'End.Test'), cname('host.test', 'mid.test')],
    'end.test',
    ['127.0.0.2'],
  ],
  [
    'takes no record beside the CNAME',
    [cname('host.test', 'end.test'), a('host.test', '127.0.0.9')],
    'end.test',
    [],
  ],
  [
    'follows no CNAME that does not start at the asked name',
    [cname('other.test', 'end.test'), a('end.test', '127.0.0.9')],
    'host.test',
    [],
  ],
  ['takes a CNAME to nothing for nothing', [cname('host.test', 'end.test')], 'end.test', []],
];

for (const [title, answers, canonicalName, records] of CHAINS) {
  test(title, () => {
    const found = readResponse(response({ packet }, { answers }), question);
    assert.ok(found !== undefined);
    const { answer } = readAnswer(A, 'host.test', found);
    assert.deepEqual(answer, { isSecure: false, records, canonicalName });
  });
}

test('follows eight CNAMEs and no ninth', () => {
  const links = Array.from({ length: 8 }, (_, at) =>
    cname(at === 0 ? 'host.test' : `${at}.test`, `${at + 1}.test`),
  );
  const last = a('8.test', '127.0.0.1');
  assert.equal(read(response({ packet }, { answers: [...links, last] })), 'response');
  const more = [...links, cname('8.test', '9.test'), a('9.test', '127.0.0.1')];
  assert.equal(read(response({ packet }, { answers: more })), 'malformed');
});

const MALFORMED: readonly (readonly [string, readonly Answer[]])[] = [
  ['a CNAME to itself', [cname('host.test', 'host.test')]],
  ['a CNAME loop', [cname('host.test', 'other.test'), cname('other.test', 'host.test')]],
  ['two CNAMEs of one name', [cname('host.test', 'a.test'), cname('host.test', 'b.test')]],
  ['a CNAME to a name with a blank', [cname('host.test', 'a b.test')]],
  ['a CNAME to a name with a Kelvin sign for a k', [cname('host.test', 'lin\u212a.test')]],
  [
    'an SRV target with a control character',
    [{ type: 'SRV', class: 'IN', name: 'host.test', data: { port: 1, target: 'a\u0007b.test' } }],
  ],
];

for (const [what, answers] of MALFORMED) {
  test(`refuses ${what}`, () => assert.equal(read(response({ packet }, { answers })), 'malformed'));
}

test('reads records of class IN only', () => {
  const chaos: Answer = { type: 'A', class: 'CH', name: 'host.test', data: '127.0.0.9' };
  const flushed: Answer = { type: 'A', class: 'IN', flush: true, name: 'host.test', data: '127.0.0.9' };
  const found = readResponse(response({ packet }, { answers: [chaos, flushed] }), question);
  assert.deepEqual(found?.answers, []);
});

test('reads a TTL with its top bit set as 0', () => {
  const found = readResponse(
    response({ packet }, { answers: [a('host.test', '127.0.0.1', 0x8000_0000)] }),
    question,
  );
  assert.ok(found !== undefined);
  assert.equal(readAnswer(A, 'host.test', found).ttlSeconds, 0);
});

function ask(): readonly { readonly type: 'A'; readonly name: string }[] {
  return [{ type: 'A', name: 'host.test' }];
}
