/**
 * TLSA records against certificates, with openssl's own digests as the measure (RFC 6698 §2.1, RFC 7671 §9).
 */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, describe, test } from 'node:test';

import fc from 'fast-check';

import { anchorIn, describes, usableRecords } from '../../../src/tls/dane.ts';
import { hasWeakKey, spkiSha256 } from '../../../src/tls/spki.ts';
import type { TlsaRecord } from '../../../src/tls/tlsa.ts';
import { TestAuthority, type Identity } from '../../support/pki.ts';

const authority = new TestAuthority();
after(() => authority.remove());

const leaf = authority.issue({ intermediate: true });
const renewed = authority.issue({ keyOf: leaf });
const other = authority.issue({ key: 'rsa:2048' });
const intermediate = authority.intermediate();
const [LEAF, RENEWED, OTHER] = [leaf, renewed, other].map(certificateOf);
const CHAIN = [leaf, intermediate, authority.identity].map(certificateOf);
assert.ok(LEAF !== undefined && RENEWED !== undefined && OTHER !== undefined);

const SELECTORS = [0, 1] as const;
const MATCHING_TYPES = [0, 1, 2] as const;
const DIGEST_OCTETS: Readonly<Record<number, number>> = { 1: 32, 2: 64 };

function certificateOf({ cert }: Identity): X509Certificate {
  return new X509Certificate(cert);
}

/** The record as a zone file has it, read back. */
function recordOf(identity: Identity, usage: number, selector: 0 | 1, matchingType: 0 | 1 | 2): TlsaRecord {
  const hex = authority.tlsa(identity, usage, selector, matchingType).split(' ')[3] ?? '';
  return { usage, selector, matchingType, data: Buffer.from(hex, 'hex') };
}

function made(usage: number, selector: number, matchingType: number, octets: number): TlsaRecord {
  return { usage, selector, matchingType, data: Buffer.alloc(octets, 0xa5) };
}

describe('describes', () => {
  for (const selector of SELECTORS) {
    for (const matchingType of MATCHING_TYPES) {
      const record = recordOf(leaf, 3, selector, matchingType);
      test(`knows a certificate by selector ${selector} and matching type ${matchingType}`, () => {
        assert.equal(describes(record, LEAF), true);
        assert.equal(describes(record, OTHER), false);
      });

      test(`knows a renewed one over the same key by selector ${selector}, type ${matchingType}: ${selector === 1}`, () => {
        assert.equal(describes(record, RENEWED), selector === 1);
      });

      test(`misses no changed, missing or added octet (${selector} ${matchingType})`, () => {
        const at = fc.nat({ max: record.data.length - 1 });
        fc.assert(
          fc.property(at, fc.integer({ min: 1, max: 255 }), (place, change) => {
            const data = Buffer.from(record.data);
            data.writeUInt8(data.readUInt8(place) ^ change, place);
            assert.equal(describes({ ...record, data }, LEAF), false);
            assert.equal(describes({ ...record, data: record.data.subarray(0, place) }, LEAF), false);
            const longer = Buffer.concat([record.data, data.subarray(0, place + 1)]);
            assert.equal(describes({ ...record, data: longer }, LEAF), false);
          }),
        );
      });
    }
  }

  test('knows nothing by a matching type that there is not', () => {
    const [digest, whole] = [recordOf(leaf, 3, 1, 1), recordOf(leaf, 3, 1, 0)];
    for (const matchingType of [3, 9, 255]) {
      assert.equal(describes({ ...digest, matchingType }, LEAF), false);
      assert.equal(describes({ ...whole, matchingType }, LEAF), false);
    }
  });
});

describe('anchorIn', () => {
  const [, second, root] = CHAIN;

  test('finds an intermediate and a root, in whatever way they are described', () => {
    for (const selector of SELECTORS) {
      for (const matchingType of MATCHING_TYPES) {
        assert.equal(anchorIn(CHAIN, [recordOf(intermediate, 2, selector, matchingType)]), second);
        assert.equal(anchorIn(CHAIN, [recordOf(authority.identity, 2, selector, matchingType)]), root);
      }
    }
  });

  test('finds none where the described authority was not sent', () => {
    assert.equal(anchorIn(CHAIN.slice(0, 2), [recordOf(authority.identity, 2, 1, 1)]), undefined);
    assert.equal(anchorIn([], [recordOf(authority.identity, 2, 1, 1)]), undefined);
    assert.equal(anchorIn(CHAIN, []), undefined);
  });

  test('does not take the certificate of the server itself for an authority', () => {
    assert.equal(anchorIn(CHAIN, [recordOf(leaf, 2, 0, 1), recordOf(leaf, 2, 1, 0)]), undefined);
  });

  test('does not take the certificate of the server for an authority when it is sent twice', () => {
    assert.equal(anchorIn([LEAF, LEAF, ...CHAIN.slice(1)], [recordOf(leaf, 2, 0, 1)]), undefined);
  });

  test('passes over a certificate whose key nobody knows, which any stranger can send', () => {
    const strange = withUnknownKey(intermediate);
    assert.throws(() => strange.publicKey);
    const chain = [LEAF, strange, ...CHAIN.slice(1)];
    assert.equal(anchorIn(chain, [recordOf(intermediate, 2, 1, 1)]), CHAIN[1]);
    assert.equal(describes(recordOf(intermediate, 3, 1, 1), strange), false);
    assert.equal(spkiSha256(strange), undefined);
    assert.equal(hasWeakKey(strange), true);
  });

  test('finds the one nearest to the server where several are described', () => {
    const both = [recordOf(authority.identity, 2, 1, 1), recordOf(intermediate, 2, 1, 1)];
    assert.equal(anchorIn(CHAIN, both), second);
  });
});

describe('usableRecords', () => {
  test('sorts records by usage and keeps their order', () => {
    const [a, b, c, d] = [made(3, 1, 1, 32), made(2, 1, 1, 32), made(3, 0, 1, 32), made(2, 0, 0, 700)];
    assert.deepEqual(usableRecords([a, b, c, d]), { endEntity: [a, c], anchors: [b, d] });
  });

  for (const [what, record] of [
    ['usage 0', made(0, 1, 1, 32)],
    ['usage 1', made(1, 1, 1, 32)],
    ['usage 4', made(4, 1, 1, 32)],
    ['usage 255', made(255, 1, 1, 32)],
    ['selector 2', made(3, 2, 1, 32)],
    ['selector 255', made(2, 255, 1, 32)],
    ['matching type 3', made(3, 1, 3, 48)],
    ['matching type 255', made(3, 1, 255, 32)],
    ['9 9 9', made(9, 9, 9, 32)],
    ['a SHA-256 digest that is too short', made(3, 1, 1, 31)],
    ['a SHA-256 digest that is too long', made(3, 1, 1, 64)],
    ['a SHA-512 digest that is too short', made(2, 1, 2, 32)],
    ['no data at all', made(3, 1, 0, 0)],
  ] as const) {
    test(`has no use for ${what}, alone or beside another`, () => {
      assert.equal(usableRecords([record]), undefined);
      const good = made(3, 1, 1, 32);
      assert.deepEqual(usableRecords([record, good]), { endEntity: [good], anchors: [] });
    });
  }

  test('has no use for nothing', () => {
    assert.equal(usableRecords([]), undefined);
  });

  test('prefers SHA-512 to SHA-256 within one usage and selector, and only there', () => {
    const strong = made(3, 1, 2, 64);
    const weak = made(3, 1, 1, 32);
    const others = [made(3, 0, 1, 32), made(3, 1, 0, 100)];
    const anchor = made(2, 1, 1, 32);
    assert.deepEqual(usableRecords([weak, strong, ...others, anchor]), {
      endEntity: [strong, ...others],
      anchors: [anchor],
    });
  });

  test('does not prefer a SHA-512 record that is malformed', () => {
    const weak = made(3, 1, 1, 32);
    assert.deepEqual(usableRecords([made(3, 1, 2, 63), weak]), { endEntity: [weak], anchors: [] });
  });

  test('keeps what is usable of any records, and nothing else', () => {
    const small = fc.constantFrom(0, 1, 2, 3, 4, 255);
    const data = fc.constantFrom(0, 1, 31, 32, 33, 63, 64, 65, 300).map((octets) => Buffer.alloc(octets));
    const record: fc.Arbitrary<TlsaRecord> = fc.record({
      usage: small,
      selector: small,
      matchingType: small,
      data,
    });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), (records) => {
        const usable = usableRecords(records);
        const kept = usable === undefined ? [] : [...usable.endEntity, ...usable.anchors];
        for (const one of kept) assert.ok(isFit(one) && records.includes(one));
        for (const one of records.filter(isFit))
          assert.ok(kept.includes(one) || hasStronger(one, kept), JSON.stringify({ one, kept }));
        assert.equal(usable === undefined, !records.some(isFit));
        assert.ok(usable?.endEntity.every(({ usage }) => usage === 3) ?? true);
        assert.ok(usable?.anchors.every(({ usage }) => usage === 2) ?? true);
        assert.equal(
          kept.some((one) => hasStronger(one, kept)),
          false,
        );
      }),
    );
  });
});

function isFit({ usage, selector, matchingType, data }: TlsaRecord): boolean {
  const isLong = matchingType === 0 ? data.length > 0 : data.length === DIGEST_OCTETS[matchingType];
  return [2, 3].includes(usage) && [0, 1].includes(selector) && isLong;
}

/** RFC 7671 §9: a digest that is weaker than another of the same usage and selector does not count. */
function hasStronger({ usage, selector, matchingType }: TlsaRecord, among: readonly TlsaRecord[]): boolean {
  return (
    matchingType === 1 &&
    among.some((one) => one.usage === usage && one.selector === selector && one.matchingType === 2)
  );
}

/** With one octet of the algorithm of its key changed, id-ecPublicKey (RFC 5480 §2.1.1). */
function withUnknownKey(identity: Identity): X509Certificate {
  const der = Buffer.from(certificateOf(identity).raw);
  const at = der.indexOf(Buffer.from('06072a8648ce3d0201', 'hex'));
  assert.ok(at > 0);
  der[at + 8] = 0x7f;
  return new X509Certificate(der);
}
