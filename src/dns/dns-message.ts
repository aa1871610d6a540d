/**
 * DNS messages (RFC 1035, 6891, 4035): the query we send and the response we accept.
 *
 * Guarantees: whatever octets come, `readResponse` gives a response that was decoded to its last octet, or throws a
 * `DnsError`. Does not: find the answer in it (record-set.ts).
 */
import {
  AUTHENTIC_DATA,
  CHECKING_DISABLED,
  DNSSEC_OK,
  RECURSION_DESIRED,
  decode,
  encode,
  type Answer as ResourceRecord,
  type DecodedPacket,
  type Question as WireQuestion,
} from 'dns-packet';

import { DnsError } from './dns-error.ts';
import { isSameName } from './domain-name.ts';

export type { ResourceRecord };

export type QuestionType = 'A' | 'AAAA' | 'TLSA' | 'SRV';

export interface Question {
  readonly type: QuestionType;
  /** See domain-name.ts. */
  readonly name: string;
  /** The CD bit: give the data even if its signatures are wrong. Such an answer is never used as data. */
  readonly isUnchecked: boolean;
}

export interface Response {
  /** RFC 1035 §4.1.1, with the upper bits of RFC 6891 §6.1.3. */
  readonly code: number;
  /** The AD bit. */
  readonly isAuthentic: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
}

export const NOERROR = 0;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;

export const HEADER_OCTETS = 12;
const MESSAGE_OCTETS = 65_535;

/** What fits into one packet nearly everywhere; more comes by TCP. */
const UDP_PAYLOAD_OCTETS = 1_232;

export function encodeQuery(id: number, { type, name, isUnchecked }: Question): Buffer {
  return encode({
    type: 'query',
    id,
    // AD in a query asks for AD in the response (RFC 6840 §5.7).
    flags: RECURSION_DESIRED | AUTHENTIC_DATA | (isUnchecked ? CHECKING_DISABLED : 0),
    questions: [{ type, name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD_OCTETS,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: DNSSEC_OK,
        flag_do: true,
        options: [],
      },
    ],
  });
}

/** The id of a response, before anything else of it is believed; undefined for what cannot be one. */
export function responseId(message: Buffer): number | undefined {
  if (message.length < HEADER_OCTETS) return undefined;
  const isResponse = (message.readUInt8(2) & 0x80) !== 0;
  return isResponse ? message.readUInt16BE(0) : undefined;
}

/** The TC bit: the rest did not fit. What did fit may be cut in the middle of a record and is not decoded. */
export function isTruncated(message: Buffer): boolean {
  return message.length >= HEADER_OCTETS && (message.readUInt8(2) & 0x02) !== 0;
}

/**
 * @returns undefined when it is the response to another question
 * @throws {DnsError} malformed
 */
export function readResponse(message: Buffer, question: Question): Response | undefined {
  const packet = decodeWhole(message);
  const { flags = 0, questions = [], answers = [], authorities = [], additionals = [] } = packet;
  if (((flags >> 11) & 0xf) !== 0) throw new DnsError('malformed'); // another operation than a query
  const code = (flags & 0xf) | (extendedCode(additionals) << 4);
  const [asked, ...more] = questions;
  if (asked === undefined || more.length > 0) return withoutQuestion(code, questions.length);
  if (!isAsked(asked, question)) return undefined;
  return {
    code,
    isAuthentic: packet.flag_ad,
    answers: internet(answers),
    authorities: internet(authorities),
  };
}

function isAsked(asked: WireQuestion, { type, name }: Question): boolean {
  return asked.type === type && asked.class === 'IN' && isSameName(asked.name, name);
}

/** A server that could not read the question may leave it out; an answer must repeat it. */
function withoutQuestion(code: number, questions: number): Response {
  if (questions > 0 || code === NOERROR || code === NXDOMAIN) throw new DnsError('malformed');
  return { code, isAuthentic: false, answers: [], authorities: [] };
}

/**
 * The decoder takes what there is where a length says more; with this behind the message, it counts what it should have
 * had, and no record can end beyond the message unnoticed.
 */
const AFTER_THE_END = Buffer.alloc(MESSAGE_OCTETS);

function decodeWhole(message: Buffer): DecodedPacket {
  if (message.length > MESSAGE_OCTETS) throw new DnsError('malformed');
  let packet: DecodedPacket;
  try {
    packet = decode(Buffer.concat([message, AFTER_THE_END]));
  } catch (error) {
    throw new DnsError('malformed', { cause: error });
  }
  if (decode.bytes !== message.length) throw new DnsError('malformed');
  return packet;
}

function extendedCode(additionals: readonly ResourceRecord[]): number {
  for (const record of additionals) if (record.type === 'OPT') return record.extendedRcode;
  return 0;
}

/** Records of class IN; the decoder takes the top bit of the class for the flush bit of multicast DNS. */
function internet(records: readonly ResourceRecord[]): readonly ResourceRecord[] {
  return records.filter((record) => record.type !== 'OPT' && record.class === 'IN' && record.flush !== true);
}
