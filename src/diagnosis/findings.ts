/**
 * What `sealpost check` finds out, as plain data. `sealpost check --json` prints a `Diagnosis` as it is: these names are
 * kept; a member that is not known is absent.
 *
 * Guarantees: no member is a place for a secret; text from the other side is printable and bounded (foreign-text.ts).
 */
import type { DnsFaultReason } from '../dns/dns-error.ts';
import type { Validation } from '../dns/resolver.ts';
import type { Failure } from '../protocol/failure.ts';
import type { TlsResultType } from '../protocol/tls-result.ts';
import type { Proof } from '../tls/peer-identity.ts';
import type { Endpoint } from '../upstream/target.ts';

/** `{ delivers, resolver, warnings: […], upstreams: [{ upstream, credentials, srv: […], ports: […], verdict }] }` */
export interface Diagnosis {
  /** Whether mail would be delivered; the exit code says the same. */
  readonly delivers: boolean;
  /** What the resolver of SEALPOST_DNS_RESOLVER did with a bogus name; absent where none is named. */
  readonly resolver?: ResolverFinding | undefined;
  /** Sentences about what is not good and does not keep mail from being delivered. */
  readonly warnings: readonly string[];
  readonly upstreams: readonly UpstreamFinding[];
}

export interface ResolverFinding {
  /** See `Validation`. */
  readonly state: Validation['state'];
  /** Why nothing could be shown; absent where it says that the bogus name does not exist. */
  readonly fault?: DnsFaultReason | undefined;
}

/** One that is not to be believed. */
export interface UnbelievedResolver extends ResolverFinding {
  readonly state: Exclude<Validation['state'], 'proven'>;
}

/** `unproven`: the resolver has not shown that it validates, so whatever it says about it is not believed. */
export type DnssecState = 'secure' | 'insecure' | 'bogus' | 'unproven';

export interface UpstreamFinding {
  /** Of SEALPOST_UPSTREAM_<NAME>_URL; absent for one without. */
  readonly name?: string | undefined;
  /** As SEALPOST_UPSTREAM has it, without credentials. */
  readonly upstream: string;
  /** `withheld`: there are some, for other upstreams. */
  readonly credentials: 'offered' | 'withheld' | 'none';
  /** For `srv:domain`: what DNS says, one entry for each service asked for. */
  readonly srv?: readonly NameFinding<SrvText>[] | undefined;
  readonly ports: readonly PortFinding[];
  /** Why there is no port at all. */
  readonly verdict?: Verdict | undefined;
}

/** One question to DNS. */
export interface NameFinding<T> {
  readonly name: string;
  /** Absent where no validating resolver is named, and where there is no answer. */
  readonly dnssec?: DnssecState | undefined;
  /** Why there is no answer. */
  readonly fault?: DnsFaultReason | undefined;
  readonly records: readonly T[];
}

/** `target:port`, with priority and weight. */
export interface SrvText {
  readonly target: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface TlsaText {
  /** As a zone file has it: `3 1 1 …`. */
  readonly text: string;
  /** Whether it can authenticate the server (RFC 7672 §3.1.3): DNSSEC-secure, usage 2 or 3, well-formed. */
  readonly isUsable: boolean;
}

/** One port, and how we are told to begin TLS on it. */
export interface PortFinding extends ProbeFinding {
  readonly host: string;
  readonly port: number;
  readonly tls: Endpoint['tls'];
  readonly addresses: NameFinding<string>;
  /** Absent where no validating resolver is named; empty where the name is not DNSSEC-secure, so that nobody asked. */
  readonly tlsa?: readonly NameFinding<TlsaText>[] | undefined;
  /** Absent where the peer was not authenticated. */
  readonly secured?: SecuredFinding | undefined;
  readonly login: LoginFinding;
  readonly verdict: Verdict;
}

/** What anybody who connects can see, authenticated or not. */
export interface ProbeFinding {
  readonly tcp?: TcpFinding | undefined;
  /** What the port speaks first; absent where that did not become clear. */
  readonly speaks?: Speech | undefined;
  /** The greeting in clear text. */
  readonly greeting?: string | undefined;
  readonly offersStarttls?: boolean | undefined;
  readonly handshake?: HandshakeFinding | undefined;
}

export type TcpFinding = { readonly address: string; readonly ms: number } | { readonly reason: string };

/**
 * `tls`: TLS from the first octet; `smtp`: clear text; `other`: neither of them; `nothing`: it is silent; `hangs-up`: it
 * ends the connection at once, without a word.
 */
export type Speech = 'tls' | 'smtp' | 'other' | 'nothing' | 'hangs-up';

export interface HandshakeFinding {
  readonly protocol: string;
  readonly cipher: string;
  readonly group: string;
  /** The value for SEALPOST_TLS_PIN_SHA256, of the server's own certificate; absent for a key that nobody knows. */
  readonly pin?: string | undefined;
  /** As sent, the server's own first. */
  readonly certificates: readonly CertificateFinding[];
}

export interface CertificateFinding {
  readonly subject: string;
  readonly issuer: string;
  /** subjectAltName; of the server's own certificate only. */
  readonly names?: readonly string[] | undefined;
  /** ISO 8601, UTC; absent where the certificate has no date there. */
  readonly notBefore?: string | undefined;
  readonly notAfter?: string | undefined;
  /** Negative when it has expired. */
  readonly daysLeft?: number | undefined;
}

/** Known only of a peer that was authenticated. */
export interface SecuredFinding {
  readonly authenticatedBy: Proof['by'];
  /** The name that was asked for. */
  readonly name: string;
  readonly protocol: string;
  readonly cipher: string;
  readonly group: string;
  /** Inside TLS; absent after STARTTLS, where it came in clear text. */
  readonly greeting?: string | undefined;
  readonly offers: Offers;
}

/** From the EHLO inside TLS. */
export interface Offers {
  /** SASL mechanisms. */
  readonly auth: readonly string[];
  readonly requireTls: boolean;
  readonly chunking: boolean;
  readonly pipelining: boolean;
  readonly eightBitMime: boolean;
  readonly smtpUtf8: boolean;
  /** Octets of the largest message; absent where none is told. */
  readonly size?: number | undefined;
}

export interface LoginFinding {
  /**
   * `not-needed`: no AUTH took place, the client certificate speaks for us; `none`: no credentials are set; `withheld`: they are for other upstreams; `not-reached`: the port had failed before;
   * `not-tried`: another port of the upstream did not accept them; `failed`: the connection broke off.
   */
  readonly outcome:
    'accepted' | 'not-needed' | 'refused' | 'failed' | 'none' | 'withheld' | 'not-reached' | 'not-tried';
  /** With `accepted`: the SASL mechanism. */
  readonly mechanism?: string | undefined;
  /** What the server said, or why it was not tried. */
  readonly detail?: string | undefined;
}

/**
 * Its members have the names and values of the log of `serve`: `outcome` is the second half of the event (`hop.secured`,
 * `hop.insecure`, `hop.refused`).
 */
export interface Verdict {
  /** `secured`: mail would be delivered; `insecure`: the hop could not be secured; `refused`: for another reason. */
  readonly outcome: 'secured' | 'insecure' | 'refused';
  /** With `insecure`: RFC 8460 §4.3. */
  readonly resultType?: TlsResultType | undefined;
  /** With `refused`: what failed. */
  readonly failure?: Exclude<Failure['kind'], 'tls'> | undefined;
  /** A code for programs, not a sentence. */
  readonly reason?: string | undefined;
  /** What to change. */
  readonly sentence: string;
  /** What the provider of SEALPOST_PROVIDER means by its refusal; absent where that is not known. */
  readonly hint?: string | undefined;
}
