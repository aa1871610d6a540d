/**
 * The proof that a TLS peer was authenticated. Review this file and you have reviewed the promise.
 *
 * Guarantees: a `VerifiedTls` exists only when the handshake succeeded and the peer gave the proof that its identity asks
 * for (peer-identity.ts has them all). Neither NODE_TLS_REJECT_UNAUTHORIZED nor any other variable has a say: what
 * decides is written out below. Nothing is written to the socket but the handshake.
 * Does not: speak SMTP (upstream/), choose anchors (trust.ts), ask DNS (dns/).
 */
import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';

import { channelBindingOf, type ChannelBinding } from './channel-binding.ts';
import { asTlsFailure } from './classify.ts';
import { describes } from './dane.ts';
import { handshakeEnd, HandshakeError, type Patience } from './handshake-end.ts';
import { negotiated, type Negotiated } from './negotiated.ts';
import type { PeerIdentity, Pins, Proof } from './peer-identity.ts';
import { identifierText, isPresentedBy, type ReferenceIdentifier } from './reference-identifier.ts';
import { sentChain } from './sent-chain.ts';
import { hasWeakKey, spkiSha256 } from './spki.ts';
import type { Trust } from './trust.ts';

/** How the peer was authenticated and what was negotiated: for logs and for people. */
export interface TlsEvidence extends Negotiated {
  readonly authenticatedBy: Proof['by'];
  /** The name that was asked for. */
  readonly name: string;
  /** SHA-256 of the certificate, hexadecimal with colons. */
  readonly fingerprint: string;
  /** Until when the certificate counts, as RFC 3339 writes it. */
  readonly notAfter: string;
  /** How long the handshake took. */
  readonly handshakeMs: number;
}

export class VerifiedTls {
  readonly evidence: TlsEvidence;
  readonly #socket: TLSSocket;
  readonly #certificate: X509Certificate;

  private constructor(socket: TLSSocket, { certificate, evidence }: Verified) {
    this.#socket = socket;
    this.#certificate = certificate;
    this.evidence = evidence;
  }

  /** The authenticated stream. What is written here goes inside TLS to the peer of `evidence`. */
  get stream(): TLSSocket {
    return this.#socket;
  }

  /** What ties a SASL exchange to this very connection (RFC 5056); undefined when it has nothing fit. */
  get channelBinding(): ChannelBinding | undefined {
    return channelBindingOf(this.#socket, this.#certificate);
  }

  /**
   * Does the handshake as the client and verifies the peer: the only origin of a `VerifiedTls`.
   *
   * @param socket connected, with nothing unread; owned by this function from here on, destroyed if it fails
   * @throws {RelayError} kind `tls`; every event but success is a failure
   */
  static async handshake(
    socket: Socket,
    identity: PeerIdentity,
    trust: Trust,
    patience: Patience,
  ): Promise<VerifiedTls> {
    const [reference] = identity.references;
    const name = identifierText(reference);
    const began = performance.now();
    try {
      const tls = connect({
        socket,
        secureContext: contextFor(identity.proof, trust), // versions, ciphers, anchors: trust.ts
        // Where a key replaces the chain, `verify` below compares the key, before one octet is written.
        rejectUnauthorized: !replacesChain(identity.proof),
        // Node verifies against `host` or `servername`, else against 'localhost'; SNI takes no IP address (RFC 6066 §3).
        host: name,
        ...(reference.kind === 'dns' ? { servername: name } : {}),
        checkServerIdentity: () => undefined, // Node's accepts a CN; `verify` below asks the subjectAltName only
      });
      return await handshakeEnd(
        tls,
        socket,
        patience,
        () => new VerifiedTls(tls, verify(tls, identity, began)),
      );
    } catch (error) {
      throw asTlsFailure(error);
    }
  }
}

interface Verified {
  readonly certificate: X509Certificate;
  readonly evidence: TlsEvidence;
}

/** Whether the proof is the key alone, so that nobody asks for a chain. */
function replacesChain({ by }: Proof): boolean {
  return by === 'pin' || by === 'dane-ee';
}

/** A trust anchor that a TLSA record describes is the only one; else the operator's and the system's. */
function contextFor(proof: Proof, trust: Trust): SecureContext {
  return proof.by === 'dane-ta' ? trust.only(proof.anchor) : trust.anchored;
}

/** @param began performance.now() @throws {HandshakeError} when the peer did not give the proof */
function verify(tls: TLSSocket, { references, proof }: PeerIdentity, began: number): Verified {
  const chain = sentChain(tls);
  const [certificate] = chain;
  if (certificate === undefined) throw new HandshakeError('no-certificate');
  // OpenSSL looks at the keys of a path only, and its level 2 lets RSA of 1,984 bits pass.
  const counted = replacesChain(proof) ? [certificate] : chain;
  if (counted.some(hasWeakKey)) throw new HandshakeError('weak-key');
  switch (proof.by) {
    case 'pkix':
    case 'dane-ta':
      requireChainAndName(tls, certificate, references);
      break;
    case 'pin':
      requirePin(certificate, proof.pins);
      break;
    case 'pkix-and-pin':
      requireChainAndName(tls, certificate, references);
      requirePin(certificate, proof.pins);
      break;
    case 'dane-ee':
      if (!proof.records.some((record) => describes(record, certificate)))
        throw new HandshakeError('tlsa-mismatch');
      break;
  }
  const evidence = {
    authenticatedBy: proof.by,
    name: identifierText(references[0]),
    ...negotiated(tls),
    fingerprint: certificate.fingerprint256,
    notAfter: certificate.validToDate.toISOString(),
    handshakeMs: Math.round(performance.now() - began),
  };
  return { certificate, evidence };
}

function requireChainAndName(
  tls: TLSSocket,
  certificate: X509Certificate,
  references: readonly ReferenceIdentifier[],
): void {
  if (!tls.authorized) throw new HandshakeError('not-authorized');
  if (!references.some((reference) => isPresentedBy(reference, certificate)))
    throw new HandshakeError('ERR_TLS_CERT_ALTNAME_INVALID');
}

function requirePin(certificate: X509Certificate, pins: Pins): void {
  const pin = spkiSha256(certificate);
  if (pin === undefined || !pins.includes(pin)) throw new HandshakeError('pin-mismatch');
}
