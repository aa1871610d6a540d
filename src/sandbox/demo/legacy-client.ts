/**
 * A program of the old kind: plain SMTP to localhost, no TLS, no queue. It keeps what was said for the narration.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { ReplyReader } from '../../protocol/reply-reader.ts';
import { isRefusal, type Reply } from '../../protocol/reply.ts';

export interface Message {
  readonly from: string;
  readonly to: string;
  /** Header block, empty line and body, with CRLF; no line begins with a dot. */
  readonly content: string;
}

/** One line of the dialog, as the wire on localhost carried it. */
export interface Said {
  readonly by: 'client' | 'relay';
  readonly line: string;
}

/** How the attempt to hand in a message ended. */
export interface Outcome {
  readonly dialog: readonly Said[];
  /** The reply that decided: the first refusal, or the one to the message. */
  readonly verdict: Reply;
  readonly isDelivered: boolean;
  /** Whether the client got as far as sending the content. */
  readonly contentSent: boolean;
}

/** Hands in a message on a port of 127.0.0.1; the first refusal ends the attempt. */
export async function handIn(port: number, message: Message): Promise<Outcome> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  try {
    await once(socket, 'connect');
    return await new Dialog(socket).handIn(message);
  } finally {
    socket.destroy();
  }
}

class Dialog {
  readonly #socket: Socket;
  readonly #said: Said[] = [];
  readonly #replies: AsyncGenerator<Reply>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#replies = repliesOn(socket);
  }

  async handIn(message: Message): Promise<Outcome> {
    await this.#reply();
    const commands = [
      'EHLO scanner.office.example',
      `MAIL FROM:<${message.from}>`,
      `RCPT TO:<${message.to}>`,
      'DATA',
    ];
    for (const command of commands) {
      const reply = await this.#ask(command);
      if (isRefusal(reply)) return this.#end(reply, false);
    }
    for (const line of message.content.replace(/\r\n$/, '').split('\r\n')) this.#say(line);
    return this.#end(await this.#ask('.'), true);
  }

  async #end(verdict: Reply, contentSent: boolean): Promise<Outcome> {
    await this.#ask('QUIT');
    return { dialog: this.#said, verdict, isDelivered: contentSent && !isRefusal(verdict), contentSent };
  }

  async #ask(line: string): Promise<Reply> {
    this.#say(line);
    return this.#reply();
  }

  #say(line: string): void {
    this.#said.push({ by: 'client', line });
    this.#socket.write(`${line}\r\n`);
  }

  async #reply(): Promise<Reply> {
    const next = await this.#replies.next();
    if (next.done === true) throw new Error('the relay ended the connection without a reply');
    for (const line of replyLines(next.value)) this.#said.push({ by: 'relay', line });
    return next.value;
  }
}

/** A reply as it stood on the wire. */
export function replyLines({ code, lines }: Reply): string[] {
  return lines.map((line, index) => `${code}${index === lines.length - 1 ? ' ' : '-'}${line}`);
}

async function* repliesOn(socket: Socket): AsyncGenerator<Reply> {
  const reader = new ReplyReader();
  for await (const chunk of socket) if (Buffer.isBuffer(chunk)) yield* reader.read(chunk);
}
