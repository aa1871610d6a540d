/**
 * Where mail goes: a submission server, the ways to reach it, and who it must prove to be.
 */
import type { Secret } from '../protocol/secret.ts';
import type { PeerIdentity } from '../tls/verified-tls.ts';

/** One port and how TLS begins on it. There is no third way. */
export interface Endpoint {
  /** `implicit`: TLS from the first octet (RFC 8314 §3). `starttls`: required STARTTLS (RFC 3207). */
  readonly tls: 'implicit' | 'starttls';
  readonly port: number;
}

/** SASL credentials for a target. */
export interface Credentials {
  readonly user: string;
  readonly password: Secret;
}

export interface Target {
  /** Name or address to connect to. */
  readonly host: string;
  /** In order of preference; a later one joins when an earlier one fails or is slow. */
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  readonly identity: PeerIdentity;
  readonly credentials?: Credentials | undefined;
}

/** How long the steps of a hop may take, milliseconds. */
export interface HopTimeouts {
  /** Opening a secured hop, in total: resolve, connect, handshakes, AUTH. */
  readonly connectMs: number;
  /** One reply. RFC 5321 §4.5.3.2 wants 2 to 5 minutes between servers; a waiting device gives up sooner. */
  readonly commandMs: number;
  /** The reply to the end of a message. RFC 5321 §4.5.3.2.6: at least 10 minutes, giving up here makes duplicates. */
  readonly finalMs: number;
}

/** What every hop needs to know about us. */
export interface HopSettings {
  /** The name in EHLO inside TLS. */
  readonly hostname: string;
  readonly timeouts: HopTimeouts;
}
