/**
 * A man on the wire who cannot decrypt, but can change what passes: TLS records (RFC 8446 §5.1), one by one.
 */
import type { Socket } from 'node:net';
import { Duplex, Transform } from 'node:stream';

/** Gives the record to be passed on instead; the header is 5 octets: type, version, length. */
export type Tamper = (record: Buffer) => Buffer;

export interface Tampering {
  readonly toRelay?: Tamper;
  readonly fromRelay?: Tamper;
}

const HEADER = 5;
const unchanged: Tamper = (record) => record;

/** The socket as the server is to see it. */
export function tamperedWire(socket: Socket, { toRelay, fromRelay }: Tampering): Duplex {
  const outgoing = recordwise(toRelay ?? unchanged);
  const incoming = recordwise(fromRelay ?? unchanged);
  outgoing.pipe(socket);
  socket.pipe(incoming);
  return Duplex.from({ readable: incoming, writable: outgoing }).on('error', () => undefined);
}

/** Inverts the last bit of a record's last octet. */
export function flipLastBit(record: Buffer): Buffer {
  const flipped = Buffer.from(record);
  flipped.writeUInt8(record.readUInt8(record.length - 1) ^ 1, record.length - 1);
  return flipped;
}

/** Inverts a bit in the last octet of one handshake message in clear (RFC 5246 §7.4), wherever in the record it stands. */
export function flipInMessage(type: number): Tamper {
  return (record) => {
    if (record[0] !== 22) return record;
    for (let from = HEADER; from + 4 <= record.length;) {
      const end = from + 4 + record.readUIntBE(from + 1, 3);
      if (record[from] === type && end <= record.length)
        return Buffer.concat([flipLastBit(record.subarray(0, end)), record.subarray(end)]);
      from = end;
    }
    return record;
  };
}

function recordwise(tamper: Tamper): Transform {
  let pending = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done): void {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= HEADER && pending.length >= HEADER + pending.readUInt16BE(3)) {
        const end = HEADER + pending.readUInt16BE(3);
        this.push(tamper(pending.subarray(0, end)));
        pending = pending.subarray(end);
      }
      done();
    },
  });
}
