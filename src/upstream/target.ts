/**
 * Where mail goes: a submission server, the ways to reach it, and who it must prove to be.
 */
import type { Phase } from '../protocol/failure.ts';
import type { Secret } from '../protocol/secret.ts';
import type { Pins } from '../tls/peer-identity.ts';
import type { ReferenceIdentifier } from '../tls/reference-identifier.ts';
import type { Trust } from '../tls/trust.ts';
import type { HopCaps } from './habits.ts';
import type { MechanismName } from './sasl/mechanism.ts';

/** One port and how TLS begins on it. There is no third way. */
export interface Endpoint {
  /** `implicit`: TLS from the first octet (RFC 8314 §3). `starttls`: required STARTTLS (RFC 3207). */
  readonly tls: 'implicit' | 'starttls';
  readonly port: number;
}

/** Where access tokens come from. */
export interface TokenSource {
  /**
   * A token that counts for some time yet.
   *
   * @param signal ends the waiting
   * @throws {RelayError} auth
   */
  accessToken(signal: AbortSignal): Promise<Secret>;
  /** To be told when the upstream refused the token, so that the next hop gets a fresh one. */
  refused(token: Secret): void;
}

/** How we log in to a target (RFC 4954). */
export type Credentials =
  | {
      readonly kind: 'password';
      readonly user: string;
      readonly password: Secret;
      /** Those that may be used; all when undefined. */
      readonly mechanisms?: readonly MechanismName[] | undefined;
    }
  /** An access token (RFC 6749 §1.4) speaks for the user: OAUTHBEARER or XOAUTH2. */
  | {
      readonly kind: 'token';
      readonly user: string;
      readonly tokens: TokenSource;
      /** Those that may be used; both when undefined. */
      readonly mechanisms?: readonly MechanismName[] | undefined;
    }
  /** The client certificate of the handshake speaks for us: EXTERNAL (RFC 4422 appendix A). */
  | {
      readonly kind: 'certificate';
      /** Authorization identity; '' for the one that the certificate gives. */
      readonly user: string;
      /** Whether a server without EXTERNAL is refused; else the certificate alone is enough. */
      readonly isRequired: boolean;
    };

/** Where the hosts and ports come from. */
export type Place =
  | {
      readonly kind: 'host';
      /** Name or address to connect to. */
      readonly reference: ReferenceIdentifier;
      /** In order of preference; a later one joins when an earlier one fails or is slow. */
      readonly endpoints: readonly [Endpoint, ...Endpoint[]];
    }
  /** What DNS says about the domain (RFC 6186, RFC 8314 §5.1). */
  | { readonly kind: 'srv'; readonly domain: ReferenceIdentifier & { readonly kind: 'dns' } };

/** How the peer is authenticated. There is no member that means "not at all". */
export type Authentication =
  | { readonly by: 'pkix' }
  | { readonly by: 'pin' | 'pkix-and-pin'; readonly pins: Pins }
  /** DNSSEC-secure TLSA records decide; where there are none, `otherwise`: a chain, or no hop at all (RFC 7672). */
  | { readonly by: 'dane'; readonly otherwise: 'pkix' | 'refuse' };

/** What a refusal of this upstream really means. All that is given must fit. */
export interface RefusalHint {
  readonly phases?: readonly Phase[];
  /** What was refused at AUTH. */
  readonly login?: 'password' | 'token';
  readonly code?: number;
  /** RFC 3463 */
  readonly enhanced?: string;
  /** Looked for in its lines, joined by blanks. */
  readonly text?: RegExp;
  /** One, in ASCII, that says what to do. */
  readonly sentence: string;
}

/**
 * One upstream with all that a hop to it depends on. Hops are kept for the very object they were opened for: another
 * name, pin, policy or account is another object.
 */
export interface Target {
  readonly place: Place;
  /** Who the peer must be, when not the host itself (SEALPOST_TLS_SERVER_NAME). */
  readonly serverName?: ReferenceIdentifier | undefined;
  readonly authentication: Authentication;
  readonly trust: Trust;
  readonly credentials?: Credentials | undefined;
  /** What it allows, where that is less than what the operator allows all. */
  readonly caps?: HopCaps | undefined;
  /** The first that fits goes to the client, next to the upstream's own words. */
  readonly hints?: readonly RefusalHint[] | undefined;
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
