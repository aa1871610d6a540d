/**
 * Clients that present names and passwords at AUTH, in every way that they get it right or wrong.
 *
 * Guarantees: what they wrote is among the secrets, and what they heard is on record.
 */
import { createHmac } from 'node:crypto';

import type { PlantedSecrets } from './secret-traces.ts';
import { SmtpDialog, type DialogReply } from './smtp-dialog.ts';

export type Account = readonly [user: string, password: string];

export class PresentingClients {
  /** All replies of all clients. */
  readonly heard: string[] = [];
  readonly #port: number;
  readonly #secrets: PlantedSecrets;

  constructor(port: number, secrets: PlantedSecrets) {
    this.#port = port;
    this.#secrets = secrets;
  }

  /** A session of its own. @returns the code of the last reply */
  async logIn(mechanism: 'PLAIN' | 'LOGIN' | 'CRAM-MD5', account: Account): Promise<number> {
    using client = await this.#greeted();
    return (await this.#present(client, mechanism, account)).code;
  }

  /** Logs in, and sends a message. @returns the last reply */
  async send(account: Account | undefined, content: string, to?: string): Promise<DialogReply> {
    using client = await this.#greeted();
    if (account !== undefined) await this.#present(client, 'PLAIN', account);
    const reply = await client.send(content, 'a@x.test', to);
    this.heard.push(reply.raw);
    return reply;
  }

  /** All that is no login: wrong, given up, malformed, in the wrong place. */
  async fumble([user, password]: Account): Promise<void> {
    const wrong = this.#secrets.plant('wrong password');
    const encoded = base64(password);
    const dialogs = [
      ['AUTH LOGIN', encoded, '*'],
      ['AUTH PLAIN', '*'],
      ['AUTH PLAIN', password],
      [`AUTH PLAIN !${encoded}!`],
      [`AUTH PLAIN ${encoded}`],
      [`AUTH XOAUTH2 ${encoded}`],
      [`AUTH ${encoded}`],
      [encoded],
      [`MAIL FROM:<a@x.test> AUTH=${encoded}`],
    ];
    await Promise.all([
      this.logIn('PLAIN', [user, wrong]),
      this.logIn('LOGIN', [user, wrong]),
      ...dialogs.map(async (lines) => this.#speak(lines)),
    ]);
  }

  async #speak(lines: readonly string[]): Promise<void> {
    using client = await this.#greeted();
    for (const line of lines) await this.#say(client, line);
  }

  async #greeted(): Promise<SmtpDialog> {
    const client = await SmtpDialog.open(this.#port);
    await this.#say(client, 'EHLO client.test');
    return client;
  }

  async #present(client: SmtpDialog, mechanism: string, [user, password]: Account): Promise<DialogReply> {
    if (mechanism === 'PLAIN') return this.#say(client, 'AUTH PLAIN', `\0${user}\0${password}`);
    const prompt = await this.#say(client, `AUTH ${mechanism}`);
    if (mechanism === 'CRAM-MD5') {
      const challenge = Buffer.from(prompt.lines[0] ?? '', 'base64');
      const digest = createHmac('md5', password).update(challenge).digest('hex');
      return this.#say(client, '', `${user} ${digest}`);
    }
    await this.#say(client, base64(user));
    return this.#say(client, '', password);
  }

  /** @param response follows the line in base64, and is a secret then */
  async #say(client: SmtpDialog, line: string, response?: string): Promise<DialogReply> {
    const encoded = response === undefined ? '' : base64(response);
    if (encoded !== '') this.#secrets.keep('AUTH line', encoded);
    const reply = await client.command([line, encoded].filter((part) => part !== '').join(' '));
    this.heard.push(reply.raw);
    return reply;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
