/**
 * A hop in clear text: it can say EHLO, STARTTLS and QUIT, and become a `SecuredHop` or nothing.
 *
 * Guarantees: no other verb compiles here; what the server said in clear is forgotten at the handshake; any octet
 * beyond the STARTTLS reply ends the attempt.
 */
import type { Socket } from 'node:net';

import type { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { RelayError } from '../protocol/failure.ts';
import { isRefusal, type Reply } from '../protocol/reply.ts';
import type { TlsResultType } from '../protocol/tls-result.ts';
import type { Patience } from '../tls/handshake-end.ts';
import type { PeerIdentity } from '../tls/peer-identity.ts';
import { presentedChain, type PresentedChain } from '../tls/presented-chain.ts';
import type { ReferenceIdentifier } from '../tls/reference-identifier.ts';
import type { Trust } from '../tls/trust.ts';
import { VerifiedTls } from '../tls/verified-tls.ts';
import { Channel } from './channel.ts';
import { expectCapabilities, expectGreeting, SecuredHop, type Opening } from './secured-hop.ts';

/** An address literal is a legal EHLO argument (RFC 5321 §4.1.3) and tells an eavesdropper nothing of us. */
const NAME_IN_CLEAR = '[127.0.0.1]';

export class PlainHop {
  /** For people who ask what is there; nothing depends on it. */
  readonly greeting: Reply;
  readonly #channel: Channel<'EHLO' | 'STARTTLS' | 'QUIT'>;
  readonly #capabilities: Capabilities;
  readonly #opening: Opening;

  private constructor(
    channel: Channel<'EHLO' | 'STARTTLS' | 'QUIT'>,
    greeting: Reply,
    capabilities: Capabilities,
    opening: Opening,
  ) {
    this.greeting = greeting;
    this.#channel = channel;
    this.#capabilities = capabilities;
    this.#opening = opening;
  }

  /**
   * Reads the greeting and says EHLO.
   *
   * @param socket connected; owned by the hop from here on
   * @throws {RelayError} session-refused | unreachable | protocol | lost
   */
  static async greet(socket: Socket, opening: Opening): Promise<PlainHop> {
    const channel = new Channel<'EHLO' | 'STARTTLS' | 'QUIT'>(socket);
    try {
      const greeting = await channel.awaitReply('greeting', replyTimeoutMs(opening));
      expectGreeting(channel, greeting, false);
      const reply = await channel.send(CommandLine.ehlo(NAME_IN_CLEAR), 'ehlo', replyTimeoutMs(opening));
      return new PlainHop(channel, greeting, expectCapabilities(channel, reply, false), opening);
    } catch (error) {
      void channel.quit(CommandLine.quit());
      throw error;
    }
  }

  get offersStarttls(): boolean {
    return this.#capabilities.has('STARTTLS');
  }

  /**
   * Upgrades to TLS and opens the secured hop. There is no third outcome; the plain hop is over either way.
   *
   * @throws {RelayError} tls, or what `SecuredHop.open` throws
   */
  async startTls(identity: PeerIdentity, trust: Trust, patience: Patience): Promise<SecuredHop> {
    const socket = await this.#upgradeable();
    const verified = await VerifiedTls.handshake(socket, identity, trust, patience);
    return SecuredHop.open(verified, 'greeted', this.#opening);
  }

  /**
   * Upgrades to TLS only to look at what the server presents; the connection is over either way.
   *
   * @throws {RelayError} tls
   */
  async presentedChain(
    reference: ReferenceIdentifier,
    trust: Trust,
    patience: Patience,
  ): Promise<PresentedChain> {
    return presentedChain(await this.#upgradeable(), reference, trust, patience);
  }

  /** The socket, when the server is ready to begin TLS on it and has said nothing more. */
  async #upgradeable(): Promise<Socket> {
    try {
      if (!this.offersStarttls) throw tlsFailure('starttls-not-supported', 'not-offered');
      const reply = await this.#channel.send(
        CommandLine.starttls(),
        'starttls',
        replyTimeoutMs(this.#opening),
      );
      this.#expectReady(reply);
    } catch (error) {
      void this.#channel.quit(CommandLine.quit());
      throw error;
    }
    const socket = this.#channel.release();
    if (socket !== undefined) return socket;
    this.#channel.destroy();
    throw tlsFailure('validation-failure', 'plaintext-after-starttls-reply');
  }

  /** RFC 3207 §4: 220 and nothing else; it is one line, so a longer one is not what a server says here. */
  #expectReady(reply: Reply): void {
    if (isRefusal(reply)) throw tlsFailure('starttls-not-supported', `refused-${reply.code}`);
    if (reply.code !== 220 || reply.lines.length !== 1) throw this.#channel.desynchronised('starttls', reply);
  }
}

function tlsFailure(resultType: TlsResultType, reason: string): RelayError {
  return new RelayError({ kind: 'tls', phase: 'starttls', resultType, reason });
}

function replyTimeoutMs({ timeouts, deadline }: Opening): number {
  return Math.min(timeouts.commandMs, deadline.remainingMs);
}
