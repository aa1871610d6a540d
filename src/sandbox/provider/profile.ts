/**
 * What makes a simulated provider that provider: names, ports, EHLO lists, words, limits and rules.
 */
import type { Account } from './account.ts';
import type { ServerMechanism } from './sasl-server.ts';

/** What stands behind a port. One that is not listed refuses connections. */
export type PortKind =
  | 'implicit'
  | 'starttls'
  /** Takes connections and never says a word, as behind a firewall that drops. */
  | 'silent';

/** What a session looks like at some moment. */
export interface Situation {
  readonly isSecure: boolean;
  readonly account: Account | undefined;
  /** As EHLO had it; undefined before. */
  readonly helo: string | undefined;
  /** To be counted and compared; says nothing else. */
  readonly session: object;
}

/** A message at its end. */
export interface Submission {
  readonly account: Account | undefined;
  /** Reverse path. */
  readonly sender: string;
  readonly recipients: readonly string[];
  /** Address of the header's From; '' where there is none. */
  readonly headerFrom: string;
  readonly content: Buffer;
  readonly session: object;
}

/** Replies without CRLF; one with several lines has them as they stand on the wire, joined by LF. */
export interface Words {
  readonly startTls: string;
  readonly authenticated: string;
  readonly cancelled: string;
  readonly sender: (path: string) => string;
  readonly recipient: (path: string) => string;
  readonly data: string;
  readonly queued: (id: string) => string;
  readonly reset: string;
  readonly noop: string;
  readonly bye: string;
  readonly unknownCommand: string;
  readonly unknownParameter: string;
  readonly wrongOrder: string;
  readonly tooBig: string;
  readonly tooManyRecipients: string;
}

export interface Limits {
  /** Octets; announced with SIZE by the EHLO list itself. */
  readonly size?: number;
  readonly recipients?: number;
  readonly messagesPerSession?: { readonly count: number; readonly reply: string };
  /** A session is ended after so long. */
  readonly session?: { readonly ms: number; readonly reply: (ms: number) => string };
}

type Refusal = string | undefined;

export interface Profile {
  readonly title: string;
  /** Names that its certificate shows and that resolve to it. */
  readonly hosts: readonly [string, ...string[]];
  /** An address that its certificate shows instead, and alone. */
  readonly onlyAddress?: string;
  readonly ports: Readonly<Record<number, PortKind>>;
  readonly greeting: string;
  /** All lines of the reply to EHLO, without code; as malformed as they come. */
  readonly ehlo: (at: Situation) => readonly string[];
  readonly words: Words;
  readonly limits?: Limits;
  readonly mechanisms: readonly ServerMechanism[];
  /** The answer to AUTH in clear; undefined where it is taken. */
  readonly authInClear: string | undefined;
  /** The answer to MAIL without a login. */
  readonly needsLogin: string;
  readonly badCredentials: (mechanism: ServerMechanism, account: Account | undefined) => string;
  /** See SaslSurroundings. */
  readonly tokenChallenge?: (mechanism: ServerMechanism) => string | undefined;
  /** Refuses a login whose credentials are right. */
  readonly refuseLogin?: (mechanism: ServerMechanism, account: Account) => Refusal;
  /** What EHLO does to a login. */
  readonly ehloAfterAuth: 'keeps-login' | 'drops-login';
  readonly refuseMail?: (sender: string, at: Situation) => Refusal;
  readonly refuseRecipient?: (recipient: string, at: Situation) => Refusal;
  /** Judges a message at its end; may take its time. */
  readonly refuseMessage?: (submission: Submission) => Refusal | Promise<Refusal>;
  /** What is passed on of a message. */
  readonly rewrite?: (submission: Submission) => Buffer;
}

/** Words of a server that has nothing special to say. */
export const PLAIN_WORDS: Words = {
  startTls: '220 2.0.0 Ready to start TLS',
  authenticated: '235 2.7.0 Authentication successful',
  cancelled: '501 5.7.0 Authentication cancelled',
  sender: () => '250 2.1.0 Ok',
  recipient: () => '250 2.1.5 Ok',
  data: '354 End data with <CR><LF>.<CR><LF>',
  queued: (id) => `250 2.0.0 Ok: queued as ${id}`,
  reset: '250 2.0.0 Ok',
  noop: '250 2.0.0 Ok',
  bye: '221 2.0.0 Bye',
  unknownCommand: '502 5.5.2 Error: command not recognized',
  unknownParameter: '555 5.5.4 Unsupported option',
  wrongOrder: '503 5.5.1 Error: bad sequence of commands',
  tooBig: '552 5.3.4 Message size exceeds fixed limit',
  tooManyRecipients: '452 4.5.3 Error: too many recipients',
};
