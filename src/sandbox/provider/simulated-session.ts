/**
 * One session at a simulated provider: the order of commands, logins, limits, and what the profile says to them.
 *
 * Guarantees: nothing is taken without the login that the provider asks for; parameters of MAIL are taken only where
 * the EHLO list has their extension.
 */
import type { EventEmitter } from 'node:events';

import type { Account } from './account.ts';
import type { Profile, Situation, Submission } from './profile.ts';
import { SaslExchange, SERVER_MECHANISMS, type SaslStep } from './sasl-server.ts';

/** What an answer can be beside words: nothing at all, or the end of the connection. */
export const SILENCE = { instead: 'silence' } as const;
export const CLOSE = { instead: 'close' } as const;
/** Words have their CRLF. */
export type SessionAnswer = string | typeof SILENCE | typeof CLOSE;

/** The connection that a session is held on. */
export interface SessionWire {
  /** Whether TLS was begun. */
  readonly secure: boolean;
  readonly closed: boolean;
  /** Gives `close` when the client has gone. */
  readonly raw: Pick<EventEmitter, 'on'>;
  write(answer: SessionAnswer): void;
  /** What follows is content, up to its end. */
  takeData(): void;
  startTls(): void;
}

/** What sessions tell the simulation. */
export interface SessionKeeper {
  readonly profile: Profile;
  readonly accounts: readonly Account[];
  readonly newId: () => string;
  readonly accepted: (submission: Submission, delivered: Buffer) => void;
}

/** RFC 4954 §4 */
const AUTH_LINE_OCTETS = 12_288;

/** Extension that a parameter of MAIL belongs to. */
const EXTENSIONS: Readonly<Record<string, string>> = { BODY: '8BITMIME', RET: 'DSN', ENVID: 'DSN' };

export class SimulatedSession {
  readonly exchanges: SaslExchange[] = [];
  readonly replies: string[] = [];
  account: Account | undefined;
  messages = 0;
  readonly #keeper: SessionKeeper;
  readonly #at: SessionWire;
  #helo: string | undefined;
  #exchange: SaslExchange | undefined;
  #sender: string | undefined;
  #recipients: string[] = [];

  constructor(at: SessionWire, keeper: SessionKeeper) {
    this.#at = at;
    this.#keeper = keeper;
    const { session } = keeper.profile.limits ?? {};
    const began = performance.now();
    const timer =
      session === undefined
        ? undefined
        : setTimeout(() => this.#end(session.reply(performance.now() - began)), session.ms);
    at.raw.on('close', () => {
      clearTimeout(timer);
      this.#logOut();
    });
  }

  /** The answer to one line; undefined leaves BDAT to the connection. */
  answer(line: string): SessionAnswer | undefined {
    const verb = line.split(' ', 1)[0]?.toUpperCase() ?? '';
    if (verb === 'BDAT' && this.#exchange === undefined) return undefined;
    const reply = this.#exchange === undefined ? this.#reply(verb, line) : this.#continue(line);
    return typeof reply === 'string' ? this.#wire(reply) : reply;
  }

  /** The answer to a whole message. */
  async verdict(content: Buffer): Promise<SessionAnswer> {
    const { profile } = this.#keeper;
    const sender = this.#sender;
    const recipients = this.#recipients;
    this.#forget();
    if (sender === undefined || recipients.length === 0) return this.#wire(profile.words.wrongOrder);
    if (content.length > (profile.limits?.size ?? Infinity)) return this.#wire(profile.words.tooBig);
    const headerFrom = headerFromOf(content);
    const submission: Submission = {
      account: this.account,
      sender,
      recipients,
      headerFrom,
      content,
      session: this,
    };
    const refusal = await profile.refuseMessage?.(submission);
    if (refusal !== undefined) return this.#wire(refusal);
    this.messages += 1;
    this.#keeper.accepted(submission, profile.rewrite?.(submission) ?? content);
    return this.#wire(profile.words.queued(this.#keeper.newId()));
  }

  get #situation(): Situation {
    return { isSecure: this.#at.secure, account: this.account, helo: this.#helo, session: this };
  }

  #reply(verb: string, line: string): SessionAnswer {
    const { words } = this.#keeper.profile;
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#hello(line);
      case 'STARTTLS':
        return this.#startTls();
      case 'AUTH':
        return this.#auth(line);
      case 'MAIL':
        return this.#mail(line);
      case 'RCPT':
        return this.#rcpt(line);
      case 'DATA':
        if (this.#sender === undefined || this.#recipients.length === 0) return words.wrongOrder;
        this.#at.takeData();
        return words.data;
      case 'RSET':
        this.#forget();
        return words.reset;
      case 'NOOP':
        return words.noop;
      case 'QUIT':
        return this.#end(words.bye);
      default:
        return words.unknownCommand;
    }
  }

  #hello(line: string): string {
    const { profile } = this.#keeper;
    this.#helo = line.slice(5).trim();
    this.#forget();
    if (profile.ehloAfterAuth === 'drops-login') this.#logOut();
    return multiline(250, profile.ehlo(this.#situation));
  }

  #startTls(): SessionAnswer {
    const { words } = this.#keeper.profile;
    if (this.#at.secure || !this.#offers('STARTTLS')) return words.wrongOrder;
    this.#at.write(this.#wire(words.startTls));
    this.#helo = undefined; // RFC 3207 §4.2: everything is forgotten
    this.#logOut();
    this.#at.startTls();
    return SILENCE;
  }

  #auth(line: string): string {
    const { profile, accounts } = this.#keeper;
    if (line.length > AUTH_LINE_OCTETS) return '500 5.5.6 Authentication exchange line is too long';
    if (!this.#at.secure && profile.authInClear !== undefined) return profile.authInClear;
    if (!this.#isBetweenMessages || this.account !== undefined) return profile.words.wrongOrder;
    const [, name = '', initial] = line.split(' ');
    const mechanism = SERVER_MECHANISMS.find((one) => one === name.toUpperCase());
    if (mechanism === undefined || !profile.mechanisms.includes(mechanism))
      return '504 5.7.4 Unrecognized authentication type';
    this.#exchange = new SaslExchange(mechanism, {
      accounts,
      host: profile.hosts[0],
      tokenChallenge: profile.tokenChallenge?.(mechanism),
    });
    this.exchanges.push(this.#exchange);
    return this.#step(this.#exchange, this.#exchange.begin(initial));
  }

  #continue(line: string): string {
    const exchange = this.#exchange;
    if (exchange === undefined) return this.#keeper.profile.words.wrongOrder;
    return this.#step(exchange, exchange.take(line));
  }

  #step(exchange: SaslExchange, step: SaslStep): string {
    const { profile, accounts } = this.#keeper;
    if ('challenge' in step) return `334 ${step.challenge}`;
    this.#exchange = undefined;
    if ('success' in step) return this.#logIn(exchange, step.success);
    if (step.failure === 'cancelled') return profile.words.cancelled;
    const account = accounts.find(({ user }) => user === step.user);
    if (account !== undefined) account.failures += 1;
    return profile.badCredentials(exchange.mechanism, account);
  }

  #logIn({ mechanism }: SaslExchange, account: Account): string {
    const { profile } = this.#keeper;
    const refusal = profile.refuseLogin?.(mechanism, account);
    if (refusal !== undefined) return refusal;
    account.failures = 0;
    account.begin(this);
    this.account = account;
    return profile.words.authenticated;
  }

  #mail(line: string): SessionAnswer {
    const { profile } = this.#keeper;
    const { words } = profile;
    const [, path, parameters] = /^MAIL FROM:<([^>]*)>(.*)$/i.exec(line) ?? [];
    if (path === undefined || parameters === undefined) return '501 5.5.4 Syntax: MAIL FROM:<address>';
    if (!this.#isBetweenMessages) return words.wrongOrder;
    const over = this.#endWhenFull();
    if (over !== undefined) return over;
    if (this.account === undefined) return profile.needsLogin;
    const refusal = this.#judgeParameters(parameters) ?? profile.refuseMail?.(path, this.#situation);
    if (refusal === undefined) this.#sender = path;
    return refusal ?? words.sender(path);
  }

  #endWhenFull(): SessionAnswer | undefined {
    const { messagesPerSession: most } = this.#keeper.profile.limits ?? {};
    return most !== undefined && this.messages >= most.count ? this.#end(most.reply) : undefined;
  }

  get #isBetweenMessages(): boolean {
    return this.#helo !== undefined && this.#sender === undefined;
  }

  #judgeParameters(text: string): string | undefined {
    const { words, limits } = this.#keeper.profile;
    for (const parameter of text.split(' ').filter((one) => one !== '')) {
      const [keyword = '', value] = parameter.toUpperCase().split('=');
      if (!this.#offers(EXTENSIONS[keyword] ?? keyword)) return words.unknownParameter;
      if (keyword === 'SIZE' && Number(value) > (limits?.size ?? Infinity)) return words.tooBig;
    }
    return undefined;
  }

  #rcpt(line: string): string {
    const { profile } = this.#keeper;
    const [, path] = /^RCPT TO:<([^>]+)>/i.exec(line) ?? [];
    if (this.#sender === undefined) return profile.words.wrongOrder;
    if (path === undefined) return '501 5.5.4 Syntax: RCPT TO:<address>';
    if (this.#recipients.length >= (profile.limits?.recipients ?? Infinity))
      return profile.words.tooManyRecipients;
    const refusal = profile.refuseRecipient?.(path, this.#situation);
    if (refusal !== undefined) return refusal;
    this.#recipients.push(path);
    return profile.words.recipient(path);
  }

  #offers(extension: string): boolean {
    const lines = this.#keeper.profile.ehlo(this.#situation).slice(1);
    return lines.some((line) => line.toUpperCase().split(' ', 1)[0] === extension);
  }

  #forget(): void {
    this.#sender = undefined;
    this.#recipients = [];
  }

  #logOut(): void {
    this.account?.sessions.delete(this);
    this.account = undefined;
  }

  /** Says this, and hangs up. */
  #end(reply: string): typeof SILENCE {
    if (!this.#at.closed) {
      this.#at.write(this.#wire(reply));
      this.#at.write(CLOSE);
    }
    this.#logOut();
    return SILENCE;
  }

  #wire(reply: string): string {
    this.replies.push(reply);
    return `${reply.replaceAll('\n', '\r\n')}\r\n`;
  }
}

/** A reply of several lines as it stands on the wire. */
export function multiline(code: number, lines: readonly string[]): string {
  return lines.map((line, index) => `${code}${index === lines.length - 1 ? ' ' : '-'}${line}`).join('\n');
}

/** The address in the header's From. */
export function headerFromOf(content: Buffer): string {
  const end = content.indexOf('\r\n\r\n');
  const header = content.subarray(0, end < 0 ? content.length : end).toString('latin1');
  const [, field = ''] = /^From:((?:[^\r\n]|\r\n[ \t])*)/im.exec(header) ?? [];
  return (/<([^>]*)>/.exec(field)?.[1] ?? field).trim();
}
