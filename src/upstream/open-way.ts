/**
 * One hop on one way: located, connected, verified, greeted, logged in.
 *
 * Guarantees: each try asks for the same proof as the one before it; a retry with classical groups and the second
 * handshake of DANE-TA are verified like any other.
 */
import type { Socket } from 'node:net';

import type { Events } from '../log/events.ts';
import type { Log } from '../log/log.ts';
import { newId } from '../log/id.ts';
import { RelayError } from '../protocol/failure.ts';
import { connectTcp } from '../tls/connect-tcp.ts';
import { anchorIn, type UsableRecords } from '../tls/dane.ts';
import { NO_SERVER_HELLO, type Patience } from '../tls/handshake-end.ts';
import type { PeerIdentity, Proof } from '../tls/peer-identity.ts';
import { presentedChain, type PresentedChain } from '../tls/presented-chain.ts';
import { VerifiedTls } from '../tls/verified-tls.ts';
import type { Deadline } from './deadline.ts';
import { locate, type Located, type Names } from './locate.ts';
import { PlainHop } from './plain-hop.ts';
import type { Race } from './race.ts';
import { reportFailure } from './report-failure.ts';
import { SecuredHop } from './secured-hop.ts';
import type { StallMemory } from './stall-memory.ts';
import type { HopSettings, Target } from './target.ts';
import { wayText, type Way } from './way.ts';

/** A hop with the names that the log knows it by. */
export interface OpenHop {
  readonly hid: string;
  readonly target: Target;
  readonly way: Way;
  readonly hop: SecuredHop;
  /** What the log says of it when it serves, where that was not said yet. */
  readonly untold?: Events['hop.probed'] | undefined;
}

/** What all hops share. */
export interface HopSurroundings {
  readonly settings: HopSettings;
  readonly names: Names;
  readonly stalls: StallMemory;
  readonly log: Log;
}

/** How long a server may take to say anything at all to a large ClientHello, before a small one is tried. */
const FIRST_OCTET_MS = 5_000;

export class WayOpener {
  readonly #target: Target;
  readonly #way: Way;
  readonly #around: HopSurroundings;
  readonly #deadline: Deadline;
  readonly #race: Race;
  readonly #hid = newId();
  readonly #began = performance.now();
  /** Aborts when the time is up or another way has won. */
  readonly #signal: AbortSignal;
  #trust: Target['trust'];
  #address = '';
  #localAddress = '';

  constructor(target: Target, way: Way, around: HopSurroundings, deadline: Deadline, race: Race) {
    this.#target = target;
    this.#way = way;
    this.#around = around;
    this.#deadline = deadline;
    this.#race = race;
    this.#signal = AbortSignal.any([deadline.signal, race.givenUp]);
    const { trust } = target;
    this.#trust = around.stalls.has(target) ? (trust.classical ?? trust) : trust;
  }

  /** @param isProbe then it is not said that it was secured @throws {RelayError} why there is no hop; logged already */
  async open(isProbe = false): Promise<OpenHop> {
    try {
      const located = await locate(this.#target, this.#way, this.#around.names, this.#signal);
      const hop = await this.#secure(located);
      const mechanism = hop.mechanism ?? 'none';
      const secured = { ...this.#ids, ...hop.evidence, mechanism, ms: this.#ms };
      if (isProbe) this.#around.log.emit('hop.probed', secured);
      else this.#around.log.emit('hop.secured', { ...secured, probed: false });
      const untold = isProbe ? secured : undefined;
      return { hid: this.#hid, target: this.#target, way: this.#way, hop, untold };
    } catch (error) {
      if (error instanceof RelayError && !this.#race.givenUp.aborted)
        reportFailure(this.#around.log, { ...this.#ids, ...this.#addresses }, error.failure);
      throw error;
    }
  }

  async #secure(located: Located): Promise<SecuredHop> {
    const { demand } = located;
    return demand.kind === 'proof'
      ? this.#prove(located, demand.proof)
      : this.#proveByDane(located, demand.records);
  }

  /** A record for the server's own certificate needs one handshake; one for its authority needs a look at the chain first. */
  async #proveByDane(located: Located, { endEntity, anchors }: UsableRecords): Promise<SecuredHop> {
    try {
      if (endEntity.length > 0) return await this.#prove(located, { by: 'dane-ee', records: endEntity });
    } catch (error) {
      if (anchors.length === 0 || !isMismatch(error)) throw error;
    }
    const { certificates } = await this.#look(located);
    const anchor = anchorIn(certificates, anchors);
    if (anchor === undefined) throw tlsaMismatch();
    return this.#prove(located, { by: 'dane-ta', anchor });
  }

  async #prove(located: Located, proof: Proof): Promise<SecuredHop> {
    const { credentials } = this.#target;
    const opening = {
      ...this.#around.settings,
      credentials,
      deadline: this.#deadline,
      mayAuth: this.#race.mayAuth,
    };
    const identity: PeerIdentity = { references: located.references, proof };
    return this.#connected(located, async (socket, patience) => {
      if (this.#way.endpoint.tls === 'starttls') {
        const plain = await PlainHop.greet(socket, opening);
        return plain.startTls(identity, this.#trust, patience);
      }
      const verified = await VerifiedTls.handshake(socket, identity, this.#trust, patience);
      return SecuredHop.open(verified, 'greets', opening);
    });
  }

  async #look({ addresses, references }: Located): Promise<PresentedChain> {
    const opening = { ...this.#around.settings, deadline: this.#deadline, mayAuth: this.#race.mayAuth };
    return this.#connected({ addresses }, async (socket, patience) => {
      const [reference] = references;
      if (this.#way.endpoint.tls === 'implicit')
        return presentedChain(socket, reference, this.#trust, patience);
      const plain = await PlainHop.greet(socket, opening);
      return plain.presentedChain(reference, this.#trust, patience);
    });
  }

  /** On one more connection, with a small ClientHello, where nothing at all comes back for a large one. */
  async #connected<T>(
    { addresses }: Pick<Located, 'addresses'>,
    use: (socket: Socket, patience: Patience) => Promise<T>,
  ): Promise<T> {
    const { classical } = this.#trust;
    if (classical === undefined) return this.#connectedOnce(addresses, undefined, use);
    try {
      const firstOctetMs = Math.min(FIRST_OCTET_MS, this.#deadline.remainingMs / 2);
      return await this.#connectedOnce(addresses, firstOctetMs, use);
    } catch (error) {
      if (!isStall(error)) throw error;
      this.#around.log.emit('hop.stalled', { ...this.#ids, address: this.#address });
      this.#trust = classical;
      const used = await this.#connectedOnce(addresses, undefined, use);
      this.#around.stalls.keep(this.#target);
      return used;
    }
  }

  async #connectedOnce<T>(
    addresses: readonly string[],
    firstOctetMs: number | undefined,
    use: (socket: Socket, patience: Patience) => Promise<T>,
  ): Promise<T> {
    const socket = await connectTcp({ ...wayText(this.#way), addresses }, this.#signal);
    this.#address = socket.remoteAddress ?? '';
    this.#localAddress = socket.localAddress ?? '';
    this.#around.log.emit('hop.connected', { ...this.#ids, address: this.#address, ms: this.#ms });
    const destroy = (): void => void socket.destroy();
    const { givenUp } = this.#race;
    givenUp.addEventListener('abort', destroy, { once: true });
    try {
      return await use(socket, { signal: this.#signal, firstOctetMs });
    } finally {
      givenUp.removeEventListener('abort', destroy);
    }
  }

  get #ids(): { readonly hid: string; readonly host: string; readonly port: number } {
    return { hid: this.#hid, ...wayText(this.#way) };
  }

  get #addresses(): { readonly address: string; readonly localAddress: string } {
    return { address: this.#address, localAddress: this.#localAddress };
  }

  get #ms(): number {
    return Math.round(performance.now() - this.#began);
  }
}

function isMismatch(error: unknown): boolean {
  return hasReason(error, 'tlsa-mismatch');
}

function isStall(error: unknown): boolean {
  return hasReason(error, NO_SERVER_HELLO);
}

function hasReason(error: unknown, reason: string): boolean {
  return error instanceof RelayError && error.failure.kind === 'tls' && error.failure.reason === reason;
}

function tlsaMismatch(): RelayError {
  return new RelayError({
    kind: 'tls',
    phase: 'handshake',
    resultType: 'tlsa-invalid',
    reason: 'tlsa-mismatch',
  });
}
