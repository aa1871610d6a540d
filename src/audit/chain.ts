/**
 * A line of the audit trail: what happened, sealed by a hash that covers it and, by the hash of the line before, all that
 * came before.
 *
 * The hash of a line is SHA-256 over its octets up to `,"hash":`; `previous` in it is the hash of the line before.
 */
import { hash as digest } from 'node:crypto';

/** Up to where a chain has come. */
export interface Head {
  /** Number of the last line, from 1. */
  readonly seq: number;
  readonly hash: string;
}

/** Before the first line. */
export const GENESIS: Head = { seq: 0, hash: '0'.repeat(64) };

/** A line as it was read. */
export interface ReadLine extends Head {
  readonly previous: string;
}

/** A line as it is written, and the head that it makes. */
export interface SealedLine extends Head {
  /** Without its end. */
  readonly line: string;
}

/** What a line tells, as it stands in it: the members of a JSON object, without its braces. */
export function membersOf(record: object): string {
  return JSON.stringify(record).slice(1, -1);
}

/** @param members of at least one */
export function seal(members: string, before: Head): SealedLine {
  const seq = before.seq + 1;
  const covered = `{"seq":${seq},${members},"previous":"${before.hash}"`;
  const hash = digest('sha256', covered);
  return { line: `${covered},"hash":"${hash}"}`, seq, hash };
}

/** @returns undefined when it is not as it was sealed */
export function readLine(line: string): ReadLine | undefined {
  const [, covered = '', hash = ''] = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s.exec(line) ?? [];
  if (covered === '' || digest('sha256', covered) !== hash) return undefined;
  // What stands at both ends was put there by us, whatever is between them.
  const seq = /^\{"seq":(\d{1,15}),/.exec(covered)?.[1];
  const previous = /,"previous":"([0-9a-f]{64})"$/.exec(covered)?.[1];
  return seq === undefined || previous === undefined ? undefined : { seq: Number(seq), hash, previous };
}
