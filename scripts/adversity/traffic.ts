/**
 * Honest clients, and such as vanish; each message has recipients of its own, so that the ledger can tell them apart.
 */
import { SmtpDialog, type DialogReply } from '../../test/support/smtp-dialog.ts';
import type { Ledger, Told } from './ledger.ts';
import type { Random } from './random.ts';

const PATIENCE_MS = 60_000;
const LINE = `${'x'.repeat(76)}\r\n`;
const LINES: readonly [number, ...number[]] = [1, 1, 10, 100, 1_000, 5_000];

export class Traffic {
  readonly #ledger: Ledger;
  readonly #random: Random;
  sent = 0;

  constructor(ledger: Ledger, random: Random) {
    this.#ledger = ledger;
    this.#random = random;
  }

  /** One message in a connection of its own. @returns what the client knows then; undefined where nobody listens */
  async send(port: number): Promise<Told | undefined> {
    const client = await connected(port);
    if (client === undefined) return undefined;
    using dialog = client;
    const late = setTimeout(() => dialog.close(), PATIENCE_MS);
    try {
      return await this.#message(dialog);
    } finally {
      clearTimeout(late);
    }
  }

  /** Begins a message and is gone at some point of it. */
  async vanish(port: number): Promise<void> {
    const client = await connected(port);
    if (client === undefined) return;
    using dialog = client;
    const said = `EHLO gone.test\r\nMAIL FROM:<gone@x.test>\r\nRCPT TO:<nobody@y.test>\r\nDATA\r\n`;
    const whole = `${said}Subject: gone\r\n\r\n${LINE.repeat(20)}`;
    dialog.write(whole.slice(0, this.#random.between(0, whole.length)));
    await new Promise((resolve) => setTimeout(resolve, this.#random.between(0, 50)));
    dialog.socket.resetAndDestroy();
  }

  async #message(dialog: SmtpDialog): Promise<Told> {
    this.sent += 1;
    const recipients = Array.from({ length: this.#random.between(1, 3) }, (_, at) => `m${this.sent}-${at}`);
    const taken: string[] = [];
    let told: Told = 'unknown';
    try {
      for (const line of ['EHLO client.test', `MAIL FROM:<m${this.sent}@x.test>`])
        if (isRefusal(await dialog.command(line))) return 'refused';
      for (const recipient of recipients) {
        const isTaken = !isRefusal(await dialog.command(`RCPT TO:<${recipient}@y.test>`));
        if (isTaken) taken.push(recipient);
        else this.#ledger.tell(recipient, 'refused');
      }
      if (taken.length === 0) return 'refused';
      told = await this.#content(dialog);
    } catch {
      told = 'unknown'; // the connection is gone
    }
    for (const recipient of taken) this.#ledger.tell(recipient, told);
    return told;
  }

  async #content(dialog: SmtpDialog): Promise<Told> {
    if (isRefusal(await dialog.command('DATA'))) return 'refused';
    dialog.write(`Subject: ${this.sent}\r\n\r\n${LINE.repeat(this.#random.pick(LINES))}.\r\n`);
    const reply = await dialog.reply();
    if (reply.code === 250) return 'acknowledged';
    return reply.raw.includes('may have been delivered') ? 'unknown' : 'refused';
  }
}

function isRefusal({ code }: DialogReply): boolean {
  return code >= 400;
}

async function connected(port: number): Promise<SmtpDialog | undefined> {
  try {
    return await SmtpDialog.open(port);
  } catch {
    return undefined; // refused, or gone before the greeting
  }
}
