/**
 * Replies on their way to one client.
 *
 * Guarantees: those that come together leave together, in one write; whatever a text holds, a reply has the lines that it
 * was given, and no more.
 */
import type { Reply } from '../protocol/reply.ts';

export class ReplyWriter {
  readonly #send: (replies: string) => void;
  #unsent = '';

  /** @param send puts them on the wire, or drops them where there is none */
  constructor(send: (replies: string) => void) {
    this.#send = send;
  }

  write({ code, lines }: Reply): void {
    if (this.#unsent === '') process.nextTick(() => this.flush());
    for (const [at, line] of lines.entries()) {
      const separator = at < lines.length - 1 ? '-' : ' ';
      this.#unsent += `${code}${separator}${line.replaceAll(/\p{Cc}/gu, ' ')}\r\n`;
    }
  }

  /** Now, and not at the end of this turn. */
  flush(): void {
    const replies = this.#unsent;
    this.#unsent = '';
    if (replies !== '') this.#send(replies);
  }
}
