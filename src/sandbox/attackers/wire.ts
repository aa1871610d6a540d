/**
 * Reads recorded octets as an eavesdropper would: lines while the wire is in clear text, TLS records afterwards.
 */
import type { Segment, Side } from './middleman.ts';

/** One thing that can be seen on the wire. */
export type Sight =
  | { readonly from: Side; readonly kind: 'line'; readonly text: string }
  | {
      readonly from: Side;
      readonly kind: 'record';
      readonly content: RecordContent;
      readonly octets: number;
    };

/** The four content types of TLS (RFC 8446 §5.1), the handshake told apart by its first message while it is legible. */
export type RecordContent =
  | 'handshake'
  | 'handshake, ClientHello'
  | 'handshake, ServerHello'
  | 'change cipher spec'
  | 'alert'
  | 'application data';

const RECORD_HEADER_OCTETS = 5;
const LF = 0x0a;

/** What the segments show, in the order in which each line or record was complete. */
export function sights(segments: readonly Segment[]): Sight[] {
  const pending: Record<Side, Buffer> = { relay: Buffer.alloc(0), upstream: Buffer.alloc(0) };
  const seen: Sight[] = [];
  for (const { from, octets } of segments) {
    pending[from] = Buffer.concat([pending[from], octets]);
    for (let next = first(from, pending[from]); next !== undefined; next = first(from, pending[from])) {
      seen.push(next.sight);
      pending[from] = pending[from].subarray(next.length);
    }
  }
  for (const side of ['relay', 'upstream'] as const) {
    const text = pending[side].toString('latin1');
    if (text !== '') seen.push({ from: side, kind: 'line', text });
  }
  return seen;
}

/** Runs of application data from one side become one sight: their sum is what counts. */
export function condensed(all: readonly Sight[]): Sight[] {
  const result: Sight[] = [];
  for (const sight of all) {
    const last = result.at(-1);
    if (sight.kind === 'record' && last?.kind === 'record' && isSameRun(sight, last)) {
      result[result.length - 1] = { ...last, octets: last.octets + sight.octets };
    } else result.push(sight);
  }
  return result;
}

function isSameRun(
  one: { readonly from: Side; readonly content: RecordContent },
  other: { readonly from: Side; readonly content: RecordContent },
): boolean {
  return one.from === other.from && one.content === other.content && one.content === 'application data';
}

function first(from: Side, octets: Buffer): { readonly sight: Sight; readonly length: number } | undefined {
  return isRecord(octets) ? firstRecord(from, octets) : firstLine(from, octets);
}

/** Content types 20 to 23 are control characters in ASCII: no line of SMTP begins with one. */
function isRecord(octets: Buffer): boolean {
  const type = octets[0];
  return type !== undefined && type >= 20 && type <= 23 && (octets.length === 1 || octets[1] === 3);
}

function firstRecord(from: Side, octets: Buffer): ReturnType<typeof first> {
  if (octets.length < RECORD_HEADER_OCTETS) return undefined;
  const length = RECORD_HEADER_OCTETS + octets.readUInt16BE(3);
  if (octets.length < length) return undefined;
  const content = contentOf(octets.readUInt8(0), octets[RECORD_HEADER_OCTETS]);
  return { sight: { from, kind: 'record', content, octets: length }, length };
}

function contentOf(type: number, firstOctet: number | undefined): RecordContent {
  if (type === 20) return 'change cipher spec';
  if (type === 21) return 'alert';
  if (type === 23) return 'application data';
  if (firstOctet === 1) return 'handshake, ClientHello';
  return firstOctet === 2 ? 'handshake, ServerHello' : 'handshake';
}

function firstLine(from: Side, octets: Buffer): ReturnType<typeof first> {
  const lf = octets.indexOf(LF);
  if (lf < 0) return undefined;
  const text = octets.subarray(0, lf).toString('latin1').replace(/\r$/, '');
  return { sight: { from, kind: 'line', text }, length: lf + 1 };
}
