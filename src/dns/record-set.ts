/**
 * Finds in a response what was asked for: the records at the end of the CNAME chain, and how long they may be kept.
 *
 * Guarantees: only records whose owner is the asked name, or the end of a chain that starts there, count.
 */
import { isIPv4, isIPv6 } from 'node:net';

import type { TlsaRecord } from '../tls/tlsa.ts';
import type { Answer, SrvRecord } from './answer.ts';
import { DnsError } from './dns-error.ts';
import type { QuestionType, ResourceRecord, Response } from './dns-message.ts';
import { domainName, isSameName } from './domain-name.ts';

/** A type of record that we ask for, and how its data are read. */
export interface RecordKind<T> {
  readonly type: QuestionType;
  /** undefined for a record of another type; throws a `DnsError` for data that make no sense */
  readonly read: (record: ResourceRecord) => T | undefined;
}

export const A: RecordKind<string> = {
  type: 'A',
  read: (record) => (record.type === 'A' ? checked(record.data, isIPv4(record.data)) : undefined),
};

export const AAAA: RecordKind<string> = {
  type: 'AAAA',
  read: (record) => (record.type === 'AAAA' ? checked(record.data, isIPv6(record.data)) : undefined),
};

export const TLSA: RecordKind<TlsaRecord> = {
  type: 'TLSA',
  read: (record) => {
    if (record.type !== 'TLSA') return undefined;
    const { usage, selector, matchingType, certificate } = record.data;
    // A copy: the decoder gives a view, which would keep the whole message in memory.
    const data = Buffer.from(checked(certificate, certificate.length > 0));
    return { usage, selector, matchingType, data };
  },
};

export const SRV: RecordKind<SrvRecord> = {
  type: 'SRV',
  read: (record) => {
    if (record.type !== 'SRV') return undefined;
    const { priority = 0, weight = 0, port, target } = record.data;
    return { priority, weight, port, target: srvTarget(target) };
  },
};

/** An answer and the seconds for which it is true. */
export interface TimedAnswer<T> {
  readonly answer: Answer<T>;
  /** 0: not to be kept. */
  readonly ttlSeconds: number;
}

const MAX_LINKS = 8;

/**
 * @param name as asked
 * @param response NOERROR or NXDOMAIN
 * @throws {DnsError} malformed
 */
export function readAnswer<T>(kind: RecordKind<T>, name: string, response: Response): TimedAnswer<T> {
  const canonicalName = endOfChain(name, response.answers);
  const records = response.answers
    .filter((record) => isSameName(record.name, canonicalName))
    .map(kind.read)
    .filter((data) => data !== undefined);
  const answer = { isSecure: response.isAuthentic, records, canonicalName };
  return { answer, ttlSeconds: records.length > 0 ? smallestTtl(response.answers) : negativeTtl(response) };
}

/** `.` stays: "decidedly not available" (RFC 2782). */
export function srvTarget(target: string): string {
  return target === '.' || target === '' ? '.' : domainName(target);
}

function checked<T>(data: T, isGood: boolean): T {
  if (!isGood) throw new DnsError('malformed');
  return data;
}

function endOfChain(asked: string, answers: readonly ResourceRecord[]): string {
  let name = asked;
  for (let links = 0; links <= MAX_LINKS; links += 1) {
    const next = aliasOf(name, answers);
    if (next === undefined) return name;
    name = next;
  }
  throw new DnsError('malformed');
}

function aliasOf(name: string, answers: readonly ResourceRecord[]): string | undefined {
  const targets = new Set<string>();
  for (const record of answers) {
    if (record.type === 'CNAME' && isSameName(record.name, name)) targets.add(domainName(record.data));
  }
  if (targets.size > 1) throw new DnsError('malformed'); // RFC 2181 §10.1: one at most
  return [...targets][0];
}

function smallestTtl(records: readonly ResourceRecord[]): number {
  return records.length === 0 ? Infinity : Math.min(...records.map(ttlOf));
}

/** RFC 2308 §5: by the SOA that came with the denial; without one it is not kept. */
function negativeTtl({ answers, authorities }: Response): number {
  for (const record of authorities) {
    if (record.type !== 'SOA') continue;
    return Math.min(smallestTtl(answers), ttlOf(record), seconds(record.data.minimum));
  }
  return 0;
}

function ttlOf(record: ResourceRecord): number {
  return record.type === 'OPT' ? 0 : seconds(record.ttl);
}

/** RFC 2181 §8: a value with the top bit set is read as 0. */
function seconds(ttl: number | undefined): number {
  return ttl === undefined || ttl > 0x7fff_ffff ? 0 : ttl;
}
