/**
 * One client's connection: smtp-server's command loop, STARTTLS and AUTH, with the mail commands given to the relay.
 *
 * Guarantees: replies to mail commands are the relay's, verbatim and in order; a command is answered before the next is
 * begun, but for RCPT behind RCPT (RFC 2920 §3.1); the relay is told of the end of the connection whenever it comes.
 * Overrides members of smtp-server 3.21.6, which package.json pins, because its public API cannot hold a 354, mirror a
 * reply, keep an address as it was written, or greet at once.
 */
import type { Socket } from 'node:net';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { SMTPServer } from 'smtp-server';

import { describeError } from '../log/describe-error.ts';
import { isMailAccepted, ownReply, type Reply } from '../protocol/reply.ts';
import { INTERNAL_ERROR } from '../relay/failure-reply.ts';
import type { RelayContext } from '../relay/relay-context.ts';
import type { RelaySession } from '../relay/session.ts';
import { sessionFor } from '../relay/told-session.ts';
import { transmissionType, type Arrival } from '../relay/trace-header.ts';
import type { ClientAuth } from './client-auth.ts';
import { CommandStream, type ContentSink } from './command-stream.ts';
import { FirstOctets, type ForeignProtocol } from './foreign-protocol.ts';
import { boundHandshake } from './handshake-bound.ts';
import { helloName } from './hello-name.ts';
import { Login } from './login.ts';
import { ReplyQueue } from './reply-queue.ts';
import { ReplyWriter } from './reply-writer.ts';
import { SessionBounds, type SharedBounds } from './session-bounds.ts';

/** What a connection needs of its listener. */
export interface ConnectionContext {
  readonly relay: RelayContext;
  /** Undefined where clients do not log in. */
  readonly auth: ClientAuth | undefined;
  readonly offersStartTls: boolean;
  readonly bounds: SharedBounds;
  /** The connection is gone. */
  ended(connection: ClientConnection): void;
}

/** RCPT commands of one client that may be under way; more wait. */
const MAX_RECIPIENTS_UNDER_WAY = 100;

const GOING_AWAY = ownReply([421, '4.3.2'], 'The relay is shutting down; send it again later.');
const NO_DOMAIN = ownReply([501, '5.5.4'], 'Say who you are: EHLO name.');

export class ClientConnection extends SMTPConnection {
  readonly #context: ConnectionContext;
  readonly #relay: RelaySession;
  readonly #login: Login | undefined;
  /** What the client waits for the relay to do; 0 when the relay waits for the client. */
  #underWay = 0;
  /** Replies to RCPT. */
  readonly #recipients = new ReplyQueue();
  /** While a handshake runs, `_socket` is still the plain one: nothing may be written between its records. */
  readonly #replies = new ReplyWriter((replies) => {
    if (!this._upgrading && this._socket.writable) this._socket.write(replies);
  });
  #isDraining = false;
  readonly #bounds: SessionBounds;

  constructor(
    server: SMTPServer,
    socket: Socket,
    options: SMTPConnectionOptions | null,
    context: ConnectionContext,
  ) {
    super(server, socket, options);
    this.#context = context;
    this.#relay = sessionFor(context.relay, this.id, this.remoteAddress, this.secure);
    const { auth, relay } = context;
    const client = { sid: this.id, address: this.remoteAddress, hostname: relay.hostname, log: relay.log };
    this.#bounds = new SessionBounds(context.bounds, client);
    this.#login = auth === undefined ? undefined : new Login(auth, client);
  }

  /** To be called once in a while: ends a session that keeps what others wait for. */
  tend(now: number): void {
    this.#relay.tend(now);
    this.#bounds.pace.transaction(this.#relay.isInTransaction, now);
    const ending = this._closing ? undefined : this.#bounds.ending(now);
    if (ending !== undefined) this.#endWith(ending);
  }

  /** Ends the session now, or after the transaction that is under way. */
  drain(): void {
    this.#isDraining = true;
    if (this.#underWay === 0) this.#endIfDrained();
  }

  /** Theirs waits 100 ms for early talkers; old devices talk early, and the others would wait for nothing. */
  override init(): void {
    this._setListeners(() => this.connectionReady());
  }

  /** Called by the base constructor too, when the fields of this class do not exist yet. */
  override _createParser(): CommandStream {
    const parser = new CommandStream();
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.on('error', (error) => this.#afterRecipients(() => this.send(421, `Error: ${error.message}`)));
    // The client will send no more: what it pipelined has been served by now, and an unfinished message is cut off.
    parser.on('finish', () => this.#afterRecipients(() => this.close()));
    const first = new FirstOctets();
    parser.admits = (octets) => this.#admits(first.judge(octets));
    return parser;
  }

  /**
   * Theirs drops replies to a client that has closed its sending side, which scripts do and still read.
   *
   * @param context what smtp-server knows of the reply's enhanced code; false: the text has it already
   */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const enhanced = this._getEnhancedStatusCode(code, context);
    const prefix = enhanced === '' ? '' : `${enhanced} `;
    const texts = Array.isArray(data) ? data : [data ?? ''];
    this.#replies.write({ code, lines: texts.map((text) => `${prefix}${text}`) });
    if (code === 220) this.#replies.flush(); // TLS may begin right behind it
    if (code === 421) this.close();
  }

  override close(): void {
    this.#replies.flush();
    super.close();
  }

  override _onCommand(command: Buffer, callback: () => void = () => undefined): void {
    const verb = MAIL_VERB.exec(command.toString('latin1', 0, 5))?.[1]?.toUpperCase();
    this.#bounds.pace.command(verb, performance.now());
    if (verb === 'RCPT') this.#begin(verb, command, callback);
    else this.#afterRecipients(() => this.#begin(verb, command, callback));
  }

  /** The commands of a transaction go the short way; what may not be said now, and the rest, is theirs to answer. */
  #begin(verb: string | undefined, command: Buffer, callback: () => void): void {
    if (this.#isDraining && !this.#relay.isInTransaction) return this.#endIfDrained();
    const isExpected = this._ready && !this._upgrading && this._nextHandler === false;
    if (verb === undefined || !isExpected || this.hostNameAppearsAs === false)
      return super._onCommand(command, callback);
    const proceed = (): void => this._whenWritable(callback);
    switch (verb) {
      case 'MAIL':
        return this.handler_MAIL(command, proceed);
      case 'RCPT':
        return this.handler_RCPT(command, proceed);
      case 'DATA':
        return this.handler_DATA(command, proceed);
      default:
        return this.handler_RSET(command, proceed);
    }
  }

  override handler_EHLO(command: Buffer, callback: () => void): void {
    this.#hello(command, callback, [`${this.name} at your service`, ...this.#keywords]);
  }

  get #keywords(): readonly string[] {
    const keywords = [...this.#relay.keywords(this.secure)];
    const auth = this.#login?.keyword(this.secure);
    if (auth !== undefined) keywords.push(auth);
    if (this.#context.offersStartTls && !this.secure) keywords.push('STARTTLS');
    return keywords;
  }

  override handler_HELO(command: Buffer, callback: () => void): void {
    this.#hello(command, callback, [this.name]);
  }

  override handler_MAIL(command: Buffer, callback: () => void): void {
    this.#answer(async () => {
      const refusal =
        this.#login?.mailRefusal(this.secure) ?? (await this.#bounds.count('message', this.#relay.user));
      return refusal ?? this.#relay.mail(command.subarray('MAIL '.length), this.secure);
    }, callback);
  }

  /** Read on before it is answered: the recipients that a client pipelines leave in one flight. */
  override handler_RCPT(command: Buffer, callback: () => void): void {
    const reply = this.#busy(async () => {
      const refusal = this.#bounds.countsRecipients
        ? await this.#bounds.count('recipient', this.#relay.user)
        : undefined;
      return refusal ?? this.#relay.rcpt(command.subarray('RCPT '.length));
    });
    this.#recipients.add(
      reply.catch((error: unknown) => this.#mistake(error)),
      (sent) => {
        this.#sendReply(sent);
        this.#endIfDrained();
      },
    );
    if (this.#recipients.length < MAX_RECIPIENTS_UNDER_WAY) return callback();
    this.#afterRecipients(callback);
  }

  #afterRecipients(act: () => void): void {
    const { sent } = this.#recipients;
    if (sent === undefined) return act();
    void sent.then(act).catch((error: unknown) => void this.#mistake(error));
  }

  override handler_DATA(_command: Buffer, callback: () => void): void {
    this.#answer(async () => {
      const refusal = await this.#relay.data(this.#arrival());
      if (refusal !== undefined) return refusal;
      if (this._parser instanceof CommandStream) this._parser.startContent(this.#sink);
      this.#bounds.pace.contentBegan();
      return { code: 354, lines: ['End data with <CR><LF>.<CR><LF>'] };
    }, callback);
  }

  override handler_RSET(_command: Buffer, callback: () => void): void {
    this.#answer(async () => {
      await this.#relay.reset();
      return ownReply([250, '2.0.0'], 'Reset');
    }, callback);
  }

  /** RFC 3207 §4.2: what was said before TLS is forgotten. */
  override handler_STARTTLS(command: Buffer, callback: () => void): void {
    void this.#relay
      .reset()
      .then(() => {
        if (this._parser === false || this._closing) return;
        if (!this.secure) this.#forgetLogin();
        boundHandshake(this._socket, () => this._upgrading);
        super.handler_STARTTLS(command, callback);
      })
      .catch((error: unknown) => this.#mistake(error));
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    const login = this.#login;
    if (login === undefined) return super.handler_AUTH(command, callback); // disabled: never called
    const argument = command.toString('latin1').slice('AUTH'.length);
    const state = { isTls: this.secure, isInTransaction: this.#relay.isInTransaction };
    this.#logIn(login, async () => login.begin(argument, state), callback);
  }

  /** One step of AUTH; after a 334 the next line is its response, whatever it looks like. */
  #logIn(login: Login, step: () => Promise<Reply>, callback: () => void): void {
    this.#answer(async () => {
      const reply = await step();
      if (reply.code === 334) {
        this._nextHandler = (line, proceed) =>
          this.#logIn(login, async () => login.next(line.toString('latin1')), proceed);
      }
      const { accepted } = login;
      if (accepted !== undefined) {
        this.session.user = accepted.user ?? 'any';
        this.#relay.identify(accepted.user, accepted.account?.targets);
      }
      return reply;
    }, callback);
  }

  #forgetLogin(): void {
    this.#login?.forget();
    this.session.user = false;
    this.#relay.identify(undefined, undefined);
  }

  /** The idle timeout is the client's: while the relay works, for minutes if need be, the client is not idle. */
  override _onTimeout(): void {
    if (this.#underWay > 0 && !this._closing) this._armTimeout();
    else super._onTimeout();
  }

  /** A reset connection is the end of this client, not of the server. */
  override _onError(): void {
    this.close();
  }

  override _onClose(): void {
    super._onClose();
    this.#context.ended(this);
    this.#login?.end();
    void this.#relay.close();
  }

  readonly #sink: ContentSink = {
    write: async (pieces) => {
      for (const piece of pieces) this.#bounds.pace.received(piece.length);
      await this.#busy(async () => this.#relay.write(pieces));
    },
    end: async () => {
      const reply = await this.#busy(async () => this.#relay.end());
      this.#bounds.pace.contentEnded(isMailAccepted(reply));
      this._unrecognizedCommands = 0;
      this.#sendReply(reply);
      this.#endIfDrained();
    },
  };

  #hello(command: Buffer, callback: () => void, lines: readonly string[]): void {
    const name = helloName(command.subarray('EHLO '.length));
    if (name === undefined) {
      this.#sendReply(NO_DOMAIN);
      return callback();
    }
    this.hostNameAppearsAs = name;
    this.#relay.helo = name;
    this.#answer(async () => {
      await this.#relay.reset(); // RFC 5321 §4.1.4
      return { code: 250, lines };
    }, callback);
  }

  #arrival(): Arrival {
    const isLoggedIn = this.#login?.accepted !== undefined;
    return {
      helo: this.hostNameAppearsAs === false ? '' : this.hostNameAppearsAs,
      address: this.remoteAddress,
      protocol: transmissionType(this.openingCommand !== 'HELO', this.secure, isLoggedIn),
    };
  }

  #answer(action: () => Promise<Reply>, callback: () => void): void {
    void this.#busy(action)
      .catch((error: unknown) => this.#mistake(error))
      .then((reply) => {
        this.#sendReply(reply);
        this.#endIfDrained();
        callback();
      })
      .catch((error: unknown) => void this.#mistake(error));
  }

  /** A mistake of ours costs this client its command, and nobody else anything. */
  #mistake(error: unknown): Reply {
    this.#context.relay.log.emit('internal.error', describeError(error));
    return INTERNAL_ERROR;
  }

  async #busy<T>(action: () => Promise<T>): Promise<T> {
    if (this.#underWay === 0) this.#bounds.pace.working(performance.now());
    this.#underWay += 1;
    try {
      return await action();
    } finally {
      this.#underWay -= 1;
      if (this.#underWay === 0) this.#bounds.pace.waiting(performance.now());
    }
  }

  #endIfDrained(): void {
    if (this.#isDraining && !this._closing && !this.#relay.isInTransaction) this.#endWith(GOING_AWAY);
  }

  #endWith(reply: Reply): void {
    this.#replies.write(reply);
    this.close(); // which gives a client that does not read its replies no more than seconds
    this._socket.destroySoon(); // does not wait for the client to close its side
  }

  #sendReply(reply: Reply): void {
    this.#replies.write(reply);
    if (reply.code === 421) this.close();
  }

  #admits(foreign: ForeignProtocol | undefined): boolean {
    if (foreign === undefined) return true;
    const { log } = this.#context.relay;
    log.emit('session.refused', { sid: this.#relay.sid, client: this.remoteAddress, reason: foreign });
    this._socket.destroy();
    return false;
  }
}

const MAIL_VERB = /^(MAIL|RCPT|DATA|RSET)(?: |$)/i;
