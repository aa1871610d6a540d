/**
 * Where a system under test is to deliver, and how it can know that it is there.
 */
export interface Upstream {
  /** An IP address. */
  readonly address: string;
  /** The name in its certificate, to be verified; the address stands in it too. */
  readonly serverName: string;
  readonly caFile: string;
  /** Implicit TLS. */
  readonly port: number;
  readonly starttlsPort: number;
  /** For the client that goes straight there: the bound of what can be measured. */
  readonly plainPort: number;
}
