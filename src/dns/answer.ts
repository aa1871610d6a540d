/**
 * What the relay asks DNS, and what it gets: an answer, or a `DnsError` (dns-error.ts).
 */
import type { TlsaRecord } from '../tls/tlsa.ts';

/** RFC 2782. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Lower case, no final dot; `.` says that the service is not offered. */
  readonly target: string;
}

export interface Answer<T> {
  /**
   * Whether every link of it (CNAMEs included, denial included) was validated: the AD bit of the named resolver.
   * Never true from the system's resolver.
   */
  readonly isSecure: boolean;
  /** Empty: the name or the type does not exist. */
  readonly records: readonly T[];
  /** The end of the CNAME chain; the asked name when there is none. Lower case, no final dot. */
  readonly canonicalName: string;
}

/** Services of RFC 6186 and RFC 8314 that take mail. */
export type MailService = '_submissions' | '_submission';

/**
 * Every method throws a `DnsError` when there is no answer; that a name or a type does not exist is an answer.
 * A `signal` that aborts ends the wait with reason `timeout`.
 */
export interface NameService {
  /** A and AAAA; secure if one of the answers is: then TLSA records are to be asked for. */
  addresses(name: string, signal: AbortSignal): Promise<Answer<string>>;
  /** TLSA of `_port._tcp.name` (RFC 6698 §3). */
  tlsa(port: number, name: string, signal: AbortSignal): Promise<Answer<TlsaRecord>>;
  /** SRV of `_service._tcp.domain`. */
  srv(service: MailService, domain: string, signal: AbortSignal): Promise<Answer<SrvRecord>>;
}
