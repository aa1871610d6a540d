/**
 * Messages that are hard to carry unchanged, and the judgement whether one was.
 */
import assert from 'node:assert/strict';

export interface Sample {
  /** Ends the sentence `keeps …`. */
  readonly name: string;
  readonly content: Buffer;
}

const HEADERS =
  'From: <a@x.test>\r\nTo: <b@y.test>\r\nDate: Sun, 22 Nov 2026 09:30:00 +0000\r\nMessage-ID: <1@x.test>\r\n';

/** A message with complete headers and that body. */
export function messageWith(body: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${HEADERS}Subject: sample\r\n\r\n`), Buffer.from(body)]);
}

/** Each arrives octet for octet, whatever the server. */
export const SAMPLES: readonly Sample[] = [
  { name: 'a short text', content: messageWith('one\r\n\r\ntwo\r\n\r\n\r\n') },
  { name: 'a message of 25 MiB', content: messageWith(eightBitLines(25 * 1024 * 1024)) },
  { name: 'every octet but CR and LF', content: messageWith(everyOctet()) },
  // RFC 5322 §2.1.1 allows 998; these servers keep any length (Postfix's line_length_limit is about its memory only).
  {
    name: 'lines up to a million octets',
    content: messageWith(longLines([998, 999, 2047, 2048, 2049, 65_536, 1e6])),
  },
  {
    name: 'leading dots',
    content: messageWith('.\r\n..\r\n...\r\n.x\r\n..x\r\n \r\n.\r\n\r\n.\r\nx.\r\n.\r\n'),
  },
  { name: 'an empty body', content: messageWith('') },
  {
    name: 'a folded header and odd spacing',
    content: Buffer.from(`${HEADERS}X-A:b\r\nX-C:\r\n\t d  \r\n\r\n\r\n`),
  },
];

/** Lines of 8-bit text, no two alike, that many octets in all. */
function eightBitLines(octets: number): Buffer {
  const body = Buffer.alloc(octets, 'grüße aus der Leitung ', 'utf8');
  for (let at = 0; at + 78 <= octets; at += 78) {
    body.write(String(at).padStart(10, '0'), at, 'latin1');
    body.write('\r\n', at + 76, 'latin1');
  }
  body.write('\r\n', octets - 2, 'latin1');
  return body;
}

function everyOctet(): Buffer {
  const octets = Array.from({ length: 256 }, (_, octet) => octet).filter(
    (octet) => octet !== 0x0d && octet !== 0x0a,
  );
  return Buffer.concat([Buffer.from(octets), Buffer.from('\r\n')]);
}

/** Lines of these lengths, line endings not counted. */
function longLines(lengths: readonly number[]): string {
  return lengths.map((length) => `${'long line '.repeat(length / 10 + 1).slice(0, length)}\r\n`).join('');
}

/** The content as it goes between DATA and the final reply. */
export function framed(content: Buffer): Buffer {
  const stuffed = content.toString('latin1').replace(/(^|\r\n)\./g, '$1..');
  const end = stuffed === '' || stuffed.endsWith('\r\n') ? '.\r\n' : '\r\n.\r\n';
  return Buffer.from(stuffed + end, 'latin1');
}

/** What may stand above a message: what the relay adds and what the servers behind it add. */
const ADDED_FIELDS = new Set([
  'received',
  'date',
  'message-id',
  'return-path',
  'x-original-to',
  'delivered-to',
]);

/**
 * Fails unless a delivered message is the one sent, with nothing but trace fields and what the relay completes above it.
 *
 * Mailboxes keep LF where the wire had CRLF; so both sides are compared with LF.
 *
 * @returns the added fields, in lower case, topmost first
 */
export function assertUnchanged(arrived: Buffer, sent: Buffer): readonly string[] {
  const wanted = withLf(sent);
  const found = withLf(arrived);
  const added = found.subarray(0, Math.max(0, found.length - wanted.length)).toString('latin1');
  const kept = found.subarray(added.length);
  if (!kept.equals(wanted)) assert.fail(firstDifference(kept, wanted));
  const fields = added.split(/\n(?![ \t])/).filter((field) => field !== '');
  const names = fields.map((field) => field.slice(0, Math.max(0, field.indexOf(':'))).toLowerCase());
  for (const name of names) assert.ok(ADDED_FIELDS.has(name), `added above the message:\n${added}`);
  assert.ok(
    fields.some((field) => /^Received: .*\sby relay\.example\.test\b/is.test(field)),
    `the relay's trace header is missing:\n${added}`,
  );
  return names;
}

function withLf(octets: Buffer): Buffer {
  return Buffer.from(octets.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}

function firstDifference(found: Buffer, wanted: Buffer): string {
  const at = wanted.findIndex((octet, index) => octet !== found[index]);
  const from = Math.max(0, (at < 0 ? wanted.length : at) - 40);
  const part = (octets: Buffer): string =>
    JSON.stringify(octets.subarray(from, from + 80).toString('latin1'));
  return `differs at octet ${at} of ${wanted.length}, found ${found.length}:\n  sent  ${part(wanted)}\n  found ${part(found)}`;
}
