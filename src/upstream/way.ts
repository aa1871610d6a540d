/**
 * The ways to a target: which host, which port, how TLS begins, and which names its certificate may show.
 *
 * Guarantees: what DNS says without DNSSEC never adds a name that the certificate may show (RFC 6186 §6, RFC 7673 §4).
 */
import type { NameService, SrvRecord } from '../dns/answer.ts';
import { RelayError } from '../protocol/failure.ts';
import {
  identifierText,
  referenceIdentifier,
  type ReferenceIdentifier,
} from '../tls/reference-identifier.ts';
import type { Endpoint, Target } from './target.ts';

export interface Way {
  readonly host: ReferenceIdentifier;
  readonly endpoint: Endpoint;
  /** See PeerIdentity. */
  readonly references: readonly [ReferenceIdentifier, ...ReferenceIdentifier[]];
  /** Where TLSA records for it are looked for; undefined where the host's name itself is not DNSSEC-secure. */
  readonly tlsaBase: ReferenceIdentifier | undefined;
}

/** Two or three are usual; each is tried within the same time. */
const MAX_SRV_WAYS = 8;

/**
 * In order of preference, at least one.
 *
 * @throws {RelayError} dns: no record, or the service is not offered
 * @throws {DnsError}
 */
export async function waysTo(
  { place, serverName }: Target,
  names: NameService,
  signal: AbortSignal,
): Promise<readonly Way[]> {
  if (place.kind === 'srv') return srvWays(place.domain, serverName, names, signal);
  const { reference: host, endpoints } = place;
  const name = serverName ?? host;
  return endpoints.map((endpoint) => ({ host, endpoint, references: [name], tlsaBase: name }));
}

/** RFC 8314 §5.1: TLS from the first octet before STARTTLS. */
async function srvWays(
  domain: ReferenceIdentifier & { readonly kind: 'dns' },
  serverName: ReferenceIdentifier | undefined,
  names: NameService,
  signal: AbortSignal,
): Promise<readonly Way[]> {
  const [submissions, submission] = await Promise.all([
    names.srv('_submissions', domain.name, signal),
    names.srv('_submission', domain.name, signal),
  ]);
  const toWay = (tls: Endpoint['tls'], isSecure: boolean) => (record: SrvRecord) =>
    srvWay({ tls, port: record.port }, { record, isSecure, domain, serverName });
  const ways = [
    ...inOrder(submissions.records).map(toWay('implicit', submissions.isSecure)),
    ...inOrder(submission.records).map(toWay('starttls', submission.isSecure)),
  ].filter((way) => way !== undefined);
  if (ways.length > 0) return ways.slice(0, MAX_SRV_WAYS);
  const wasAsked = submissions.records.length + submission.records.length > 0;
  throw new RelayError({
    kind: 'dns',
    phase: 'resolve',
    reason: wasAsked ? 'service-not-offered' : 'no-srv-record',
  });
}

interface SrvFinding {
  readonly record: SrvRecord;
  readonly isSecure: boolean;
  readonly domain: ReferenceIdentifier;
  readonly serverName: ReferenceIdentifier | undefined;
}

/** A target of `.` is none: the service is decidedly not offered (RFC 2782). */
function srvWay(endpoint: Endpoint, { record, isSecure, domain, serverName }: SrvFinding): Way | undefined {
  const host = referenceIdentifier(record.target);
  // An address is no name that DNS could vouch for: an IP-ID is for who configured one (RFC 9525 §6.1).
  if (record.target === '.' || host?.kind !== 'dns' || record.port === 0) return undefined;
  if (serverName !== undefined) return { host, endpoint, references: [serverName], tlsaBase: serverName };
  if (!isSecure) return { host, endpoint, references: [domain], tlsaBase: undefined };
  return { host, endpoint, references: [host, domain], tlsaBase: host };
}

/** By priority, and at random by weight within one (RFC 2782). */
function inOrder(records: readonly SrvRecord[]): readonly SrvRecord[] {
  return records
    .map((record) => ({ record, rank: -Math.log(Math.random()) / Math.max(record.weight, 0.01) }))
    .toSorted((a, b) => a.record.priority - b.record.priority || a.rank - b.rank)
    .map(({ record }) => record);
}

/** For logs: what is connected to. */
export function wayText({ host, endpoint }: Way): { readonly host: string; readonly port: number } {
  return { host: identifierText(host), port: endpoint.port };
}
