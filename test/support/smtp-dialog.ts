/**
 * A legacy client as a dialog: raw lines out, whole replies in, nothing clever in between.
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

export interface DialogReply {
  readonly code: number;
  /** Each line after its code and separator. */
  readonly lines: readonly string[];
  /** The lines as received, joined by LF. */
  readonly raw: string;
}

export class SmtpDialog {
  readonly socket: Socket;
  #text = '';
  #closed = false;
  #changed: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('utf8');
      this.#wake();
    });
    socket.on('error', () => undefined); // a reset shows as the end of the dialog
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** Connects and reads the greeting. */
  static async open(port: number, host = '127.0.0.1'): Promise<SmtpDialog> {
    const dialog = await SmtpDialog.openSilently(port, host);
    await dialog.reply();
    return dialog;
  }

  /** Connects and leaves the greeting unread. */
  static async openSilently(port: number, host = '127.0.0.1'): Promise<SmtpDialog> {
    const socket = connect({ port, host });
    await once(socket, 'connect');
    return new SmtpDialog(socket);
  }

  /** Wraps a socket that somebody else connected (TLS, for instance). */
  static over(socket: Socket): SmtpDialog {
    return new SmtpDialog(socket);
  }

  /** Writes octets as they are. */
  write(octets: string | Buffer): void {
    this.socket.write(octets);
  }

  /** Sends one line and reads one reply. */
  async command(line: string): Promise<DialogReply> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  /** The next whole reply. Throws when the connection ended before it. */
  async reply(): Promise<DialogReply> {
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/.exec(this.#text);
      if (whole !== null) {
        this.#text = this.#text.slice(whole[0].length);
        return parseReply(whole[0]);
      }
      if (this.#closed) throw new Error(`the connection ended; unread: ${JSON.stringify(this.#text)}`);
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    }
  }

  /** Waits for the end of the connection and gives what came unread. */
  async ended(): Promise<string> {
    while (!this.#closed) await new Promise<void>((resolve) => this.#changed.push(resolve));
    return this.#text;
  }

  /** EHLO, MAIL, RCPT, DATA, the content (dots are not stuffed here) and the final reply; the first refusal ends it. */
  async send(content: string | Buffer, from = 'a@x.test', to = 'b@y.test'): Promise<DialogReply> {
    for (const line of ['EHLO client.test', `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`, 'DATA']) {
      const reply = await this.command(line);
      if (reply.code >= 400) return reply;
    }
    this.write(content);
    this.write('\r\n.\r\n');
    return this.reply();
  }

  close(): void {
    this.socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #wake(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }
}

function parseReply(text: string): DialogReply {
  const raw = text.replace(/\r?\n$/, '').split(/\r?\n/);
  return { code: Number(text.slice(0, 3)), lines: raw.map((line) => line.slice(4)), raw: raw.join('\n') };
}
