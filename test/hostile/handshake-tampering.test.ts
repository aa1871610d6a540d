/**
 * Somebody on the wire changes the handshake with a genuine server, or what follows it: the signature must count
 * (CVE-2014-1266), the version must not slide, and a changed record must end the connection.
 */
import { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';

import { genuine, type Attack } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { flipInMessage, flipLastBit, type Tamper } from '../support/record-tampering.ts';

const rsa = genuine.issue({ key: 'rsa:2048' });
const BROKEN = ['validation-failure', /^(?:ERR_SSL_|ECONNRESET|connection-lost)/] as const;

/** RFC 5246 §7.4 */
const SERVER_KEY_EXCHANGE = 12;

/** The extension supported_versions as the relay sends it, TLS 1.3 and 1.2; then with 1.2 twice. */
const VERSIONS = Buffer.from('002b00050403040303', 'hex');
const WITHOUT_TLS_1_3 = Buffer.from('002b00050403030303', 'hex');

const hideTls13: Tamper = (record) => {
  const at = record.indexOf(VERSIONS);
  if (at < 0) return record;
  return Buffer.concat([record.subarray(0, at), WITHOUT_TLS_1_3, record.subarray(at + VERSIONS.length)]);
};

const TLS_1_2 = { maxVersion: 'TLSv1.2' } as const;

const attacks: readonly Attack[] = [
  {
    name: 'refuses a genuine certificate whose ServerKeyExchange is signed wrongly, ECDSA',
    script: { tls: TLS_1_2, tamper: { toRelay: flipInMessage(SERVER_KEY_EXCHANGE) } },
  },
  {
    name: 'refuses a genuine certificate whose ServerKeyExchange is signed wrongly, RSA',
    script: { identity: rsa, tls: TLS_1_2, tamper: { toRelay: flipInMessage(SERVER_KEY_EXCHANGE) } },
  },
  {
    name: 'refuses TLS 1.3 with one bit changed in what the server signed and encrypted',
    script: { tamper: { toRelay: flipType(23) } },
  },
  {
    name: 'refuses TLS 1.2 when somebody has hidden from the server that TLS 1.3 was offered',
    script: { tamper: { fromRelay: hideTls13 } },
  },
].map((attack) => ({ ...attack, reply: '451 4.7.5', insecure: BROKEN }));

const later: readonly Attack[] = [
  {
    name: 'ends the connection when one bit of the greeting inside TLS was changed',
    script: { tls: TLS_1_2, tamper: { toRelay: flipType(23) } },
    reply: '451 4.4.1',
    isAuthenticated: true,
  },
  {
    name: 'ends the connection when the server asks for another handshake after the first',
    script: {
      tls: { ...TLS_1_2, sessionIdContext: 'again' }, // OpenSSL's server wants one for a second handshake
      // Goes on as if nothing had happened when the relay takes part.
      answer: async (line, { socket }) => {
        if (!line.startsWith('MAIL') || !(socket instanceof TLSSocket)) return undefined;
        await promisify(socket.renegotiate.bind(socket))({ requestCert: true, rejectUnauthorized: false });
        return undefined;
      },
    },
    reply: '451 4.4.2',
    isAuthenticated: true,
  },
];

const twins: readonly Innocent[] = [
  { name: 'delivers by TLS 1.2 over a wire that changes nothing', script: { tls: TLS_1_2, tamper: {} } },
  { name: 'delivers by TLS 1.3 over a wire that changes nothing', script: { tamper: {} } },
];

hostileSuite('Tampering on the wire', {
  setting: { scheme: 'smtps' },
  attacks: [...attacks, ...later],
  twins,
});

function flipType(type: number): Tamper {
  return (record) => (record[0] === type ? flipLastBit(record) : record);
}
