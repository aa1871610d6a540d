/**
 * The audit trail: a line for what became of each message, in a file whose lines are chained.
 *
 * Guarantees: no message waits for it: lines are gathered and written in order by and by; while they cannot be written they
 * wait in memory, and mail goes on; those beyond the bound are counted, and the count is in the trail.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { EventName, Events } from '../log/events.ts';
import type { Log } from '../log/log.ts';
import type { Observer } from '../log/observer.ts';
import { timestamp } from '../log/timestamp.ts';
import { fileReason, type AuditFile, type Change } from './audit-file.ts';
import { membersOf, seal, type Head } from './chain.ts';
import { HopBook } from './hop-book.ts';
import { WaitingLines, type Block } from './waiting-lines.ts';

/** What happens in this time is written, and synced, in one go: ten syncs a second cost a tenth of the CPU for a message. */
const GATHER_MS = 1_000;
const RETRY_MS = 2_000;
/** Lines that wait; about 20 MB. */
const MOST_WAITING = 30_000;

/** What tells of the fate of a message, or of some of its recipients. */
type AuditedEvent =
  | 'transaction.delivered'
  | 'transaction.refused'
  | 'transaction.unknown'
  | 'transaction.abandoned'
  | 'message.spooled'
  | 'spool.delivered'
  | 'spool.unknown'
  | 'spool.bounced'
  | 'spool.dropped';

export class AuditTrail {
  readonly observer: Observer;
  readonly #file: AuditFile;
  readonly #log: Log;
  readonly #hops = new HopBook();
  readonly #waiting = new WaitingLines();
  readonly #closing = new AbortController();
  /** Of the last line that waits, or is written. */
  #head: Head;
  /** Lines that no line tells of yet. */
  #lost = 0;
  /** Why the last try failed. */
  #trouble: string | undefined;
  #writing: Promise<void> | undefined;

  constructor(file: AuditFile, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#head = file.head;
    this.observer = { ...this.#hops.observer, ...this.#audited() };
    if (file.finding !== undefined) this.#seal(file.finding);
    log.emit('audit.started', file.head);
  }

  /** Writes what waits, if that can be done at once. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#writing;
    await this.#write();
    await this.#file.close();
    this.#log.emit('audit.stopped', { ...this.#file.head, lost: this.#lost + this.#waiting.count });
  }

  #audited(): Observer {
    const note =
      <E extends AuditedEvent>(event: E) =>
      (fields: Events[E]): void =>
        this.#note(event, fields);
    return {
      'transaction.delivered': note('transaction.delivered'),
      'transaction.refused': note('transaction.refused'),
      'transaction.unknown': note('transaction.unknown'),
      'transaction.abandoned': note('transaction.abandoned'),
      'message.spooled': note('message.spooled'),
      'spool.delivered': note('spool.delivered'),
      'spool.unknown': note('spool.unknown'),
      'spool.bounced': note('spool.bounced'),
      'spool.dropped': note('spool.dropped'),
    };
  }

  #note(event: EventName, fields: object): void {
    if (this.#waiting.count >= MOST_WAITING) this.#lost += 1;
    else {
      this.#tellLost();
      this.#seal({ event, ...fields }, this.#hops.evidenceOf(hidOf(fields)));
    }
    this.#begin();
  }

  #tellLost(): void {
    if (this.#lost > 0) this.#seal({ event: 'trail.lost', lines: this.#lost });
    this.#lost = 0;
  }

  /** @param evidence more members, with the comma before them */
  #seal(record: object, evidence = ''): void {
    const sealed = seal(membersOf({ time: timestamp(), ...record }) + evidence, this.#head);
    this.#head = sealed;
    this.#waiting.add(sealed);
  }

  #begin(): void {
    if (this.#closing.signal.aborted) return;
    this.#writing ??= this.#writeBy(GATHER_MS).finally(() => {
      this.#writing = undefined;
      if (this.#waiting.count > 0) this.#begin(); // of a line that came too late for this round
    });
  }

  async #writeBy(restMs: number): Promise<void> {
    const { signal } = this.#closing;
    await delay(restMs, undefined, { signal }).catch(() => undefined);
    while (!(await this.#write()) && !signal.aborted)
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }

  /** @returns whether nothing is left to be written */
  async #write(): Promise<boolean> {
    try {
      for (let block; (block = this.#waiting.oldest()) !== undefined;) await this.#writeBlock(block);
    } catch (error) {
      const reason = fileReason(error);
      if (reason !== this.#trouble) this.#log.emit('audit.failed', { reason });
      this.#trouble = reason;
      return false;
    }
    return true;
  }

  async #writeBlock(block: Block): Promise<void> {
    await this.#file.append(block, (change) => this.#changed(change));
    this.#waiting.dropOldest();
    this.#tellLost();
    if (this.#trouble !== undefined) this.#log.emit('audit.resumed', this.#file.head);
    this.#trouble = undefined;
  }

  #changed(change: Change): void {
    const { head } = this.#file;
    switch (change.kind) {
      case 'rotated':
        return this.#log.emit('audit.rotated', { ...head, file: change.file });
      case 'moved':
        return this.#log.emit('audit.moved', head);
      case 'removed':
        return this.#log.emit('audit.removed', head);
    }
  }
}

function hidOf(fields: object): string | undefined {
  return 'hid' in fields && typeof fields.hid === 'string' ? fields.hid : undefined;
}
