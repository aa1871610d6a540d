/**
 * The proof that a TLS peer was authenticated. Review this file and you have reviewed the promise.
 *
 * Guarantees: a `VerifiedTls` exists only when the handshake succeeded and the peer proved to be the reference
 * identifier (chain and name), or the holder of a pinned key. Neither NODE_TLS_REJECT_UNAUTHORIZED nor any other
 * variable has a say: what decides is written out below. Nothing is written to the socket but the handshake.
 * Does not: speak SMTP (upstream/), choose anchors (trust.ts).
 */
import { createHash, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';

import { RelayError } from '../protocol/failure.ts';
import { classifyHandshakeError, errorCode } from './classify.ts';
import { identifierText, isPresentedBy, type ReferenceIdentifier } from './reference-identifier.ts';
import type { Trust } from './trust.ts';

/** What must be true of the peer. */
export interface PeerIdentity {
  readonly reference: ReferenceIdentifier;
  /** base64 SHA-256 of SubjectPublicKeyInfo; one of them must be the peer's key, and then chain and name are not asked. */
  readonly pins: readonly string[];
}

/** How the peer was authenticated and what was negotiated: for logs and for people. */
export interface TlsEvidence {
  readonly authenticatedBy: 'pkix' | 'pin';
  readonly name: string;
  readonly protocol: string;
  readonly cipher: string;
  readonly group: string;
  /** SHA-256 of the certificate, hexadecimal with colons. */
  readonly fingerprint: string;
}

export class VerifiedTls {
  readonly evidence: TlsEvidence;
  readonly #socket: TLSSocket;

  private constructor(socket: TLSSocket, evidence: TlsEvidence) {
    this.#socket = socket;
    this.evidence = evidence;
  }

  /** The authenticated stream. What is written here goes inside TLS to the peer of `evidence`. */
  get stream(): TLSSocket {
    return this.#socket;
  }

  /**
   * Does the handshake as the client and verifies the peer: the only origin of a `VerifiedTls`.
   *
   * @param socket connected, with nothing unread; owned by this function from here on, destroyed if it fails
   * @param signal ends the attempt
   * @throws {RelayError} kind `tls`; every event but success is a failure
   */
  static async handshake(
    socket: Socket,
    identity: PeerIdentity,
    trust: Trust,
    signal: AbortSignal,
  ): Promise<VerifiedTls> {
    const { reference, pins } = identity;
    const name = identifierText(reference);
    return new Promise((resolve, reject) => {
      const tls = connect({
        socket,
        secureContext: trust.secureContext, // versions, ciphers, anchors: trust.ts
        // With a pin the chain is not asked; then `verify` below compares the key, before one octet is written.
        rejectUnauthorized: pins.length === 0,
        // Node verifies against `host` or `servername`, else against 'localhost'; SNI takes no IP address (RFC 6066 §3).
        host: name,
        ...(reference.kind === 'dns' ? { servername: name } : {}),
        checkServerIdentity: () => undefined, // Node's accepts a CN; `verify` below asks the subjectAltName only
      });
      const settle = (failed?: unknown): void => {
        signal.removeEventListener('abort', onAbort);
        tls
          .removeListener('error', settle)
          .removeListener('close', onClose)
          .on('error', () => undefined);
        try {
          resolve(new VerifiedTls(tls, verify(tls, identity, failed)));
        } catch (error) {
          tls.destroy();
          socket.destroy();
          reject(asTlsFailure(error));
        }
      };
      const onClose = (): void => settle(new HandshakeError('connection-lost'));
      const onAbort = (): void => settle(new HandshakeError('timeout'));
      tls
        .once('secureConnect', () => settle())
        .once('error', settle)
        .once('close', onClose);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }
}

/** Why a handshake is no proof. */
class HandshakeError extends Error {
  readonly code: string;

  constructor(code: string, cause?: unknown) {
    super(code, { cause });
    this.code = code;
  }
}

/**
 * @param failed what the handshake reported; undefined when it succeeded
 * @throws {Error} when the peer is not who it must be
 */
function verify(tls: TLSSocket, { reference, pins }: PeerIdentity, failed: unknown): TlsEvidence {
  if (failed !== undefined) throw new HandshakeError(errorCode(failed) ?? 'handshake-failed', failed);
  const certificate = tls.getPeerX509Certificate();
  if (certificate === undefined) throw new HandshakeError('no-certificate');
  if (pins.length > 0) {
    if (!pins.includes(spkiSha256(certificate))) throw new HandshakeError('pin-mismatch');
  } else {
    if (!tls.authorized) throw new HandshakeError('not-authorized');
    if (!isPresentedBy(reference, certificate)) throw new HandshakeError('ERR_TLS_CERT_ALTNAME_INVALID');
  }
  return {
    authenticatedBy: pins.length > 0 ? 'pin' : 'pkix',
    name: identifierText(reference),
    protocol: tls.getProtocol() ?? 'unknown',
    cipher: tls.getCipher().standardName,
    group: groupName(tls),
    fingerprint: certificate.fingerprint256,
  };
}

/** The value of a pin: base64 SHA-256 of the certificate's SubjectPublicKeyInfo (RFC 7469 §2.4). */
export function spkiSha256(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}

function groupName(tls: TLSSocket): string {
  const info = tls.getEphemeralKeyInfo();
  return info !== null && 'name' in info && typeof info.name === 'string' ? info.name : 'unknown';
}

function asTlsFailure(error: unknown): RelayError {
  return new RelayError(
    { kind: 'tls', phase: 'handshake', ...classifyHandshakeError(error) },
    { cause: error },
  );
}
