/**
 * Command lines, the only thing a channel carries (RFC 5321 §4.1).
 *
 * Guarantees: a `CommandLine` is one line: no CR, LF or NUL inside, bounded; its verb is in its type.
 * Does not: know what a server offers (upstream/).
 */
import { COMMAND_LINE_OCTETS } from './limits.ts';

export type Verb =
  'EHLO' | 'STARTTLS' | 'AUTH' | 'MAIL' | 'RCPT' | 'DATA' | 'BDAT' | 'RSET' | 'NOOP' | 'QUIT';

/** Made here only: the constructor is private and `#line` makes the type nominal. */
export class CommandLine<out V extends Verb> {
  readonly verb: V;
  readonly #line: string;

  private constructor(verb: V, line: string) {
    // oxlint-disable-next-line no-control-regex -- these three are what would make two commands of one (RFC 5321 §2.3.8)
    if (/[\r\n\0]/.test(line)) throw new TypeError('a command line cannot contain CR, LF or NUL');
    if (Buffer.byteLength(line) > COMMAND_LINE_OCTETS - 2) throw new TypeError('command line too long');
    this.verb = verb;
    this.#line = line;
  }

  /** The octets for the wire, CRLF included. */
  toWire(): string {
    return `${this.#line}\r\n`;
  }

  /** The verb alone: the rest may be a secret. */
  toString(): string {
    return this.verb;
  }

  static ehlo(domain: string): CommandLine<'EHLO'> {
    return new CommandLine('EHLO', `EHLO ${domain}`);
  }

  static starttls(): CommandLine<'STARTTLS'> {
    return new CommandLine('STARTTLS', 'STARTTLS');
  }

  /** RFC 4954 §4; an empty initial response is `=`. */
  static auth(mechanism: string, initialResponse?: string): CommandLine<'AUTH'> {
    const response = initialResponse === '' ? '=' : initialResponse;
    return new CommandLine(
      'AUTH',
      response === undefined ? `AUTH ${mechanism}` : `AUTH ${mechanism} ${response}`,
    );
  }

  /** The answer to a 334 challenge: base64, or `*` to give up (RFC 4954 §4). */
  static authResponse(response: string): CommandLine<'AUTH'> {
    return new CommandLine('AUTH', response);
  }

  /** @param path with its brackets, as the wire has it */
  static mail(path: string, parameters: readonly string[] = []): CommandLine<'MAIL'> {
    return new CommandLine('MAIL', [`MAIL FROM:${path}`, ...parameters].join(' '));
  }

  /** @param path with its brackets, as the wire has it */
  static rcpt(path: string, parameters: readonly string[] = []): CommandLine<'RCPT'> {
    return new CommandLine('RCPT', [`RCPT TO:${path}`, ...parameters].join(' '));
  }

  static data(): CommandLine<'DATA'> {
    return new CommandLine('DATA', 'DATA');
  }

  /** RFC 3030 §2: exactly that many octets follow the line. */
  static bdat(octets: number, last: boolean): CommandLine<'BDAT'> {
    return new CommandLine('BDAT', last ? `BDAT ${octets} LAST` : `BDAT ${octets}`);
  }

  static rset(): CommandLine<'RSET'> {
    return new CommandLine('RSET', 'RSET');
  }

  static noop(): CommandLine<'NOOP'> {
    return new CommandLine('NOOP', 'NOOP');
  }

  static quit(): CommandLine<'QUIT'> {
    return new CommandLine('QUIT', 'QUIT');
  }
}
