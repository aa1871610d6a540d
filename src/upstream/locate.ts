/**
 * What DNS says about a way: the addresses, and what the peer there must prove.
 *
 * Guarantees: where DANE counts, an answer that DNSSEC cannot vouch for (bogus, SERVFAIL, no answer) is a failure, never
 * a reason to ask for less (RFC 7672 §2.1).
 */
import type { Answer, NameService } from '../dns/answer.ts';
import { DnsError } from '../dns/dns-error.ts';
import { RelayError } from '../protocol/failure.ts';
import { usableRecords, type UsableRecords } from '../tls/dane.ts';
import type { Proof } from '../tls/peer-identity.ts';
import { identifierText, type ReferenceIdentifier } from '../tls/reference-identifier.ts';
import type { Target } from './target.ts';
import type { Way } from './way.ts';

/** Who answers questions about names. */
export interface Names {
  /** The resolver that the operator named, or the machine's. */
  readonly resolver: NameService;
  /** The machine's own, for hosts that DNS does not know. */
  readonly machine: NameService;
}

export interface Located {
  readonly addresses: readonly string[];
  readonly references: Way['references'];
  readonly demand: Demand;
}

/** What the peer must prove: one thing, or what TLSA records say. */
type Demand =
  | { readonly kind: 'proof'; readonly proof: Proof }
  | { readonly kind: 'dane'; readonly records: UsableRecords };

/**
 * @throws {RelayError} dns, or tls: `dnssec-invalid`, `dane-required`
 */
export async function locate(target: Target, way: Way, names: Names, signal: AbortSignal): Promise<Located> {
  const asksDane = target.authentication.by === 'dane';
  return orNameFailure(asksDane, async () => {
    const found = await addressesOf(way.host, names, signal);
    if (found.records.length === 0)
      throw new RelayError({ kind: 'dns', phase: 'resolve', reason: 'not-found' });
    const { authentication } = target;
    if (authentication.by !== 'dane')
      return { addresses: found.records, references: way.references, demand: proofDemand(authentication) };
    const tlsa = await findTlsa(way, found, names.resolver, signal);
    if ('absent' in tlsa) {
      if (authentication.otherwise === 'refuse') throw daneRequired(tlsa.absent);
      return { addresses: found.records, references: way.references, demand: proofDemand({ by: 'pkix' }) };
    }
    const { base, records } = tlsa;
    return {
      addresses: found.records,
      references: [base, ...way.references.filter((one) => identifierText(one) !== identifierText(base))],
      demand: { kind: 'dane', records },
    };
  });
}

/** Turns a fault of DNS into the failure that it means. @throws {RelayError} */
export async function orNameFailure<T>(asksDane: boolean, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof DnsError)) throw error;
    const { reason } = error;
    const failure = asksDane
      ? ({ kind: 'tls', phase: 'resolve', resultType: 'dnssec-invalid', reason: `dns-${reason}` } as const)
      : ({ kind: 'dns', phase: 'resolve', reason } as const);
    throw new RelayError(failure, { cause: error });
  }
}

function proofDemand(proof: Proof): Demand {
  return { kind: 'proof', proof };
}

function daneRequired(reason: TlsaAbsence): RelayError {
  return new RelayError({ kind: 'tls', phase: 'resolve', resultType: 'dane-required', reason });
}

async function addressesOf(
  host: ReferenceIdentifier,
  { resolver, machine }: Names,
  signal: AbortSignal,
): Promise<Answer<string>> {
  if (host.kind === 'ip') return { isSecure: false, records: [host.address], canonicalName: host.address };
  const found = await resolver.addresses(host.name, signal);
  if (found.records.length > 0) return found;
  // A name that only this machine knows, of its hosts file perhaps. An address is no evidence of anything.
  const known = await machine.addresses(host.name, signal);
  return { ...found, records: known.records };
}

/** Why there are no TLSA records that count. */
type TlsaAbsence = 'not-dnssec-secure' | 'no-tlsa-record' | 'no-usable-tlsa-record';

type TlsaFinding =
  { readonly base: ReferenceIdentifier; readonly records: UsableRecords } | { readonly absent: TlsaAbsence };

/**
 * The TLSA records of a way (RFC 7672 §2.2).
 *
 * @param found the answer about the addresses of the way's host
 * @throws {DnsError} when DNSSEC cannot vouch for the answer
 */
async function findTlsa(
  { tlsaBase, host, endpoint }: Way,
  found: Answer<string>,
  resolver: NameService,
  signal: AbortSignal,
): Promise<TlsaFinding> {
  if (tlsaBase === undefined) return { absent: 'not-dnssec-secure' };
  if (tlsaBase.kind === 'ip') return { absent: 'no-tlsa-record' };
  const isHost = identifierText(host) === tlsaBase.name;
  const bases = isHost ? tlsaBases(tlsaBase.name, found) : [tlsaBase.name];
  let absent: TlsaAbsence = bases.length === 0 ? 'not-dnssec-secure' : 'no-tlsa-record';
  for (const name of bases) {
    const answer = await resolver.tlsa(endpoint.port, name, signal);
    if (!answer.isSecure) absent = 'not-dnssec-secure';
    else if (answer.records.length > 0) {
      const records = usableRecords(answer.records);
      return records === undefined
        ? { absent: 'no-usable-tlsa-record' }
        : { base: { kind: 'dns', name }, records };
    }
  }
  return { absent };
}

/**
 * The names to ask under: the end of the alias before the alias itself. An insecure zone is not asked, because name
 * servers there may not know the type at all; but an alias may stand in a secure zone and lead to an insecure one.
 */
function tlsaBases(name: string, { isSecure, canonicalName }: Answer<string>): readonly string[] {
  const isAlias = canonicalName.toLowerCase() !== name.toLowerCase();
  if (isSecure) return isAlias ? [canonicalName, name] : [name];
  return isAlias ? [name] : [];
}
