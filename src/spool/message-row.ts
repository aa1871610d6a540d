/**
 * A spooled message as a row of a table, and back.
 *
 * Guarantees: what comes back is checked; a row that another version wrote differently is a failure of that message alone,
 * and not a wrong message.
 */
import { RelayError } from '../protocol/failure.ts';
import type { Parameter, PathArgument } from '../protocol/path.ts';
import type { SpooledMessage, SpooledRecipient } from './spooled-message.ts';

/** By column; yes and no are 1 and 0. */
export type MessageRow = ReturnType<typeof rowOf>;

export function rowOf(message: SpooledMessage) {
  return {
    id: message.id,
    kind: message.kind,
    route: message.route ?? null,
    sender: JSON.stringify(message.sender),
    recipients: JSON.stringify(message.recipients),
    octets: message.octets,
    arrived_at: message.arrivedAt,
    expires_at: message.expiresAt,
    next_attempt_at: message.nextAttemptAt,
    attempts: message.attempts,
    is_hopless: Number(message.isHopless),
    is_delay_told: Number(message.isDelayTold),
  };
}

/** @throws {RelayError} spool, when it is not a row of ours */
export function messageOf(row: unknown): SpooledMessage {
  const fields = new Fields(row);
  try {
    return parsed(fields);
  } catch (error) {
    throw unreadable([fields.text('id')], error);
  }
}

/** The ids of those that are none of ours: they must not stand in the way of the others. */
export function unreadableAmong(rows: readonly unknown[]): readonly string[] {
  return rows.filter((row) => !isReadable(row)).map((row) => new Fields(row).text('id'));
}

/** What the operator hears of them; `sealpost queue remove` takes them away. */
export function unreadable(ids: readonly string[], cause?: unknown): RelayError {
  return new RelayError({ kind: 'spool', reason: `unreadable ${ids.join(' ')}` }, { cause });
}

function isReadable(row: unknown): boolean {
  try {
    messageOf(row);
    return true;
  } catch {
    return false; // whoever claims it hears why
  }
}

function parsed(fields: Fields): SpooledMessage {
  return {
    id: fields.text('id'),
    kind: fields.oneOf('kind', ['mail', 'bounce']),
    route: fields.maybeText('route'),
    sender: pathOf(new Fields(JSON.parse(fields.text('sender')))),
    recipients: listOf(JSON.parse(fields.text('recipients'))).map(recipientOf),
    octets: fields.number('octets'),
    arrivedAt: fields.number('arrived_at'),
    expiresAt: fields.number('expires_at'),
    nextAttemptAt: fields.number('next_attempt_at'),
    attempts: fields.number('attempts'),
    isHopless: fields.number('is_hopless') === 1,
    isDelayTold: fields.number('is_delay_told') === 1,
  };
}

function recipientOf(value: unknown): SpooledRecipient {
  const fields = new Fields(value);
  const lastWord = fields.inner('lastWord');
  const reply = lastWord.inner('reply');
  return {
    argument: pathOf(fields.inner('argument')),
    state: fields.oneOf('state', ['waiting', 'delivered', 'failed']),
    lastWord: {
      reply: { code: reply.number('code'), lines: reply.list('lines').map(String) },
      isUpstreams: lastWord.flag('isUpstreams'),
    },
    mayHaveIt: fields.flag('mayHaveIt'),
  };
}

function pathOf(fields: Fields): PathArgument {
  return {
    path: fields.text('path'),
    parameters: fields.list('parameters').map(parameterOf),
    isInternational: fields.flag('isInternational'),
  };
}

function parameterOf(value: unknown): Parameter {
  const fields = new Fields(value);
  return { keyword: fields.text('keyword'), value: fields.maybeText('value'), text: fields.text('text') };
}

/** What came from outside the program, field by field. */
export class Fields {
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null) throw new TypeError('not a record of the spool');
    this.#fields = new Map<string, unknown>(Object.entries(value));
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    if (typeof value !== 'string') throw new TypeError(`${name} is not a text`);
    return value;
  }

  maybeText(name: string): string | undefined {
    const value = this.#fields.get(name) ?? undefined;
    return value === undefined ? undefined : this.text(name);
  }

  number(name: string): number {
    const value = this.#fields.get(name);
    if (typeof value !== 'number') throw new TypeError(`${name} is not a number`);
    return value;
  }

  maybeNumber(name: string): number | undefined {
    const value = this.#fields.get(name) ?? undefined;
    return value === undefined ? undefined : this.number(name);
  }

  flag(name: string): boolean {
    const value = this.#fields.get(name);
    if (typeof value !== 'boolean') throw new TypeError(`${name} is neither true nor false`);
    return value;
  }

  oneOf<T extends string>(name: string, words: readonly T[]): T {
    const text = this.text(name);
    const word = words.find((one) => one === text);
    if (word === undefined) throw new TypeError(`${name} is none of ${words.join(', ')}`);
    return word;
  }

  list(name: string): readonly unknown[] {
    return listOf(this.#fields.get(name));
  }

  inner(name: string): Fields {
    return new Fields(this.#fields.get(name));
  }
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value;
}
