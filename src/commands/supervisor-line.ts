/**
 * Tells systemd what it waits for, by `systemd-notify`: Node has no datagram sockets of the file system.
 *
 * Guarantees: what is told arrives in that order; nobody waits for it, and nobody is told where nobody asked; the
 * watchdog hears of us only as long as the event loop turns.
 */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

import type { Supervisor } from '../config/supervisor.ts';
import type { Log } from '../log/log.ts';

/** How long systemd may take for the last of it. */
const LAST_WORDS_MS = 1_000;

/** So often within the time that the watchdog gives. */
const BEATS = 3;

export class SupervisorLine {
  readonly #supervisor: Supervisor | undefined;
  readonly #log: Log;
  #last = Promise.resolve();
  #isBeating = false;

  /** @param supervisor undefined for none */
  constructor(supervisor: Supervisor | undefined, log: Log) {
    this.#supervisor = supervisor;
    this.#log = log;
    const { watchdogMs } = supervisor ?? {};
    if (watchdogMs !== undefined) setInterval(() => void this.#beat(), watchdogMs / BEATS).unref();
  }

  /** Clients are served. @param remark for whoever asks */
  ready(remark?: string): void {
    void this.#tell('READY=1', `STATUS=Relaying${remark === undefined ? '' : `; ${remark}`}`);
  }

  /** Until it is told that we are ready again. */
  reloading(): void {
    // Microseconds of CLOCK_MONOTONIC, which is what Node's clock is on Linux; Type=notify-reload asks for them.
    void this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
  }

  stopping(): void {
    void this.#tell('STOPPING=1', 'STATUS=Waiting for transactions to end');
  }

  /** Resolves when all was said, or could not be said soon. */
  async settled(): Promise<void> {
    await Promise.race([this.#last, delay(LAST_WORDS_MS, undefined, { ref: false })]);
  }

  /** One that could not be said yet is as good as the next. */
  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    await this.#tell('WATCHDOG=1');
    this.#isBeating = false;
  }

  async #tell(...assignments: readonly string[]): Promise<void> {
    if (this.#supervisor === undefined) return;
    const { environment } = this.#supervisor;
    this.#last = this.#last.then(async () => this.#say(assignments, environment));
    return this.#last;
  }

  /** It ends when systemd has taken the message: before, systemd could not tell whose process sent it. */
  async #say(assignments: readonly string[], env: Supervisor['environment']): Promise<void> {
    try {
      const program = spawn('systemd-notify', assignments, { env, stdio: 'ignore' });
      const code = await new Promise<number | null>((resolve, reject) => {
        program.once('error', reject).once('exit', resolve);
      });
      if (code !== 0) this.#log.emit('supervisor.untold', { reason: `systemd-notify ended with ${code}` });
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      this.#log.emit('supervisor.untold', { reason: `systemd-notify: ${reason}` });
    }
  }
}
