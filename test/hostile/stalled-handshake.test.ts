/**
 * Middleboxes that lose a ClientHello for its length: the relay tries once more with a short one, verified like the first.
 */
import { strict as assert } from 'node:assert';
import { describe } from 'node:test';

import { hellosIn } from '../support/client-hello.ts';
import {
  attacker,
  genuine,
  GOOD_IDENTITY,
  type Attack,
  type HostileStage,
} from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { narrowWire, SEGMENT_OCTETS, type Instead } from '../support/narrow-wire.ts';
import type { Identity } from '../support/pki.ts';
import { CLOSE, RESET, SILENCE, type Connection } from '../support/scripted-upstream.ts';

/** Half of it is how long a silent server is waited for. */
const variables = { SEALPOST_CONNECT_TIMEOUT: '4' };

const WAYS: readonly (readonly [what: string, Instead])[] = [
  ['swallows', SILENCE],
  ['resets', RESET],
  ['closes', CLOSE],
];

const UNTRUSTED = ['certificate-not-trusted', /^[A-Z_]+$/] as const;
const MISMATCH = ['certificate-host-mismatch', /^ERR_TLS_CERT_ALTNAME_INVALID$/] as const;
const EXPIRED = ['certificate-expired', /^CERT_HAS_EXPIRED$/] as const;
const PIN_MISMATCH = ['validation-failure', /^pin-mismatch$/] as const;
const NO_TLS = ['validation-failure', /^[\w/-]+$/] as const;

/** Fatal alerts (RFC 8446 §6.2). */
const HANDSHAKE_FAILURE = Buffer.from('15030300020228', 'hex');
const PROTOCOL_VERSION = Buffer.from('15030300020246', 'hex');

const unknown = attacker.issue();

/** The first hop finds out, and the next ones begin with what gets through. */
const pastTheBox = ([what, instead]: (typeof WAYS)[number]): readonly Innocent[] => [
  findsTheBox(what, instead),
  {
    ...secured('begins with a short ClientHello after that', 'X25519'),
    get script() {
      return narrowWire(instead);
    },
  },
];

const findsTheBox = (what: string, instead: Instead): Innocent => ({
  name: `delivers by a short ClientHello when a middlebox ${what} a long one`,
  get script() {
    return narrowWire(instead);
  },
  also: async (stage) => {
    const [long, short, ...others] = hellosIn(stage.upstream.script);
    assert.equal(others.length, 0, 'two attempts');
    assert.equal(stage.upstream.connections.length, 2);
    assert.ok(long !== undefined && long.octets > SEGMENT_OCTETS && long.groups[0] === 'X25519MLKEM768');
    assert.ok(short !== undefined && short.octets <= SEGMENT_OCTETS);
    assert.doesNotMatch(short.groups.join(' '), /MLKEM/);
    assert.deepEqual(short.keyShares, ['X25519']);
    assert.equal((await stage.event('hop.secured'))['group'], 'X25519');
  },
});

const impostors: readonly Attack[] = [
  behindTheBox('a certificate of an unknown authority', UNTRUSTED, unknown, RESET),
  behindTheBox('a certificate for another name', MISMATCH, genuine.issue({ san: 'DNS:other.test' }), CLOSE),
  behindTheBox('an expired certificate', EXPIRED, genuine.issue({ notAfter: '20250601000000Z' }), SILENCE),
];

const stallers: readonly Attack[] = WAYS.map(([what, instead]) => ({
  ...refused(`refuses after two attempts when a middlebox ${what} every ClientHello`, NO_TLS, 2),
  get script() {
    return narrowWire(instead, 0);
  },
}));

/** Whoever has said something has received the ClientHello. */
const talkers: readonly Attack[] = [
  {
    ...refused('tries no second time when the server has begun to answer and leaves', NO_TLS, 1),
    get script() {
      return leavingAfterServerHello();
    },
  },
  {
    ...refused('tries no second time when the server says that it has no group in common', NO_TLS, 1),
    get script() {
      return narrowWire(HANDSHAKE_FAILURE, 0);
    },
  },
  {
    ...refused('tries no second time when the server says that it has no version in common', NO_TLS, 1),
    get script() {
      return narrowWire(PROTOCOL_VERSION, 0);
    },
  },
  {
    ...refused('tries no second time when the certificate is wrong', UNTRUSTED, 1),
    script: { identity: unknown },
  },
];

// Side by side, because these cases wait; two by two, because relays that start do not.
describe('A stalled handshake', { concurrency: 2 }, () => {
  for (const scheme of ['smtps', 'smtp'] as const) {
    hostileSuite(`on ${scheme}:`, {
      setting: { scheme, variables },
      attacks: [...impostors, ...stallers, ...talkers],
      twins: [],
    });
    for (const way of WAYS) {
      hostileSuite(`past one that ${way[0]}, on ${scheme}:`, {
        setting: { scheme, variables },
        attacks: [],
        twins: pastTheBox(way),
      });
    }
  }

  const pinned = genuine.issue({ selfSigned: true });
  hostileSuite('with a pinned key', {
    setting: {
      scheme: 'smtps',
      identity: pinned,
      variables: { ...variables, SEALPOST_TLS_PIN_SHA256: genuine.pin(pinned) },
    },
    attacks: [behindTheBox('a valid chain over another key', PIN_MISMATCH, GOOD_IDENTITY, RESET)],
    twins: pastTheBox(['resets', RESET]),
  });

  hostileSuite('with no classical group', {
    setting: { scheme: 'smtps', variables: { ...variables, SEALPOST_TLS_GROUPS: 'X25519MLKEM768' } },
    attacks: [
      {
        ...refused('refuses after one attempt', NO_TLS, 1),
        get script() {
          return narrowWire(CLOSE);
        },
      },
      {
        ...refused('refuses a server without that group', NO_TLS, 1),
        script: { tls: { ecdhCurve: 'X25519:P-256' } },
      },
    ],
    twins: [secured('delivers where nothing is lost', 'X25519MLKEM768')],
  });

  hostileSuite('with classical groups alone', {
    setting: { scheme: 'smtp', variables: { ...variables, SEALPOST_TLS_GROUPS: 'X25519 P-256' } },
    attacks: [
      {
        ...refused('refuses after one attempt', NO_TLS, 1),
        get script() {
          return narrowWire(RESET, 0);
        },
      },
    ],
    twins: [
      {
        ...secured('delivers past the middlebox at the first attempt', 'X25519'),
        get script() {
          return narrowWire(RESET);
        },
      },
    ],
  });
});

function refused(name: string, insecure: Attack['insecure'], attempts: number): Omit<Attack, 'script'> {
  return {
    name,
    reply: '451 4.7.5',
    ...(insecure === undefined ? {} : { insecure }),
    also: (_reply, { upstream }) => assert.equal(upstream.connections.length, attempts, 'attempts'),
  };
}

function behindTheBox(
  what: string,
  insecure: Attack['insecure'],
  identity: Identity,
  instead: Instead,
): Attack {
  return {
    ...refused(`refuses ${what} behind the middlebox`, insecure, 2),
    get script() {
      return { ...narrowWire(instead), identity };
    },
  };
}

function secured(name: string, group: string): Innocent {
  const also = async (stage: HostileStage): Promise<void> => {
    assert.equal(stage.upstream.connections.length, 1);
    assert.equal((await stage.event('hop.secured'))['group'], group);
  };
  return { name, script: {}, also };
}

/** The first record passes, and instead of the second comes the end of the connection. */
function leavingAfterServerHello(): Attack['script'] {
  let connection: Connection | undefined;
  let records = 0;
  const toRelay = (record: Buffer): Buffer => {
    records += 1;
    if (records === 1) return record;
    setImmediate(() => connection?.raw.end()); // when the first has been written
    return Buffer.alloc(0);
  };
  const onConnection = (at: Connection): void => {
    connection = at;
    records = 0;
  };
  return { onConnection, tamper: { toRelay } };
}
