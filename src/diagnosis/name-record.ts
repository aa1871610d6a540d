/**
 * Names as the relay asks for them, with a record of every answer: what is shown is what was asked for a hop, not what
 * somebody else would ask.
 */
import type { Answer, MailService, NameService, SrvRecord } from '../dns/answer.ts';
import { DnsError, type DnsFaultReason } from '../dns/dns-error.ts';
import { usableRecords } from '../tls/dane.ts';
import type { TlsaRecord } from '../tls/tlsa.ts';
import type { DnssecState, NameFinding, ResolverFinding, SrvText, TlsaText } from './findings.ts';
import { shown } from './foreign-text.ts';

/** In the order of asking, whichever answer comes first. */
interface Asked<T> {
  readonly name: string;
  answer?: Answer<T>;
  fault?: DnsFaultReason;
}

/** Passes questions on and keeps the answers. */
export class NameRecord implements NameService {
  readonly #names: NameService;
  readonly #addresses: Asked<string>[] = [];
  readonly #tlsa: Asked<TlsaRecord>[] = [];
  readonly #srv: Asked<SrvRecord>[] = [];

  constructor(names: NameService) {
    this.#names = names;
  }

  async addresses(name: string, signal: AbortSignal): Promise<Answer<string>> {
    return kept(this.#addresses, name, this.#names.addresses(name, signal));
  }

  async tlsa(port: number, name: string, signal: AbortSignal): Promise<Answer<TlsaRecord>> {
    return kept(this.#tlsa, `_${port}._tcp.${name}`, this.#names.tlsa(port, name, signal));
  }

  async srv(service: MailService, domain: string, signal: AbortSignal): Promise<Answer<SrvRecord>> {
    return kept(this.#srv, `${service}._tcp.${domain}`, this.#names.srv(service, domain, signal));
  }

  addressFindings(resolver: ResolverFinding | undefined): readonly NameFinding<string>[] {
    return this.#addresses.map((asked) => finding(asked, resolver, (records) => records));
  }

  tlsaFindings(resolver: ResolverFinding | undefined): readonly NameFinding<TlsaText>[] {
    return this.#tlsa.map((asked) =>
      finding(asked, resolver, (records, state) => {
        const usable = state === 'secure' ? usableRecords(records) : undefined;
        const fit = new Set([...(usable?.endEntity ?? []), ...(usable?.anchors ?? [])]);
        return records.map((record) => ({ text: tlsaText(record), isUsable: fit.has(record) }));
      }),
    );
  }

  srvFindings(resolver: ResolverFinding | undefined): readonly NameFinding<SrvText>[] {
    return this.#srv.map((asked) =>
      finding(asked, resolver, (records) =>
        records.map(({ target, port, priority, weight }) => ({
          target: shown(target),
          port,
          priority,
          weight,
        })),
      ),
    );
  }
}

/** @throws {DnsError} */
async function kept<T>(record: Asked<T>[], name: string, asking: Promise<Answer<T>>): Promise<Answer<T>> {
  const asked: Asked<T> = { name };
  record.push(asked);
  try {
    asked.answer = await asking;
    return asked.answer;
  } catch (error) {
    if (error instanceof DnsError) asked.fault = error.reason;
    throw error;
  }
}

function finding<T, U>(
  { name, answer, fault }: Asked<T>,
  resolver: ResolverFinding | undefined,
  texts: (records: readonly T[], state: DnssecState | undefined) => readonly U[],
): NameFinding<U> {
  const dnssec = stateOf(answer, fault, resolver);
  return { name, dnssec, fault, records: texts(answer?.records ?? [], dnssec) };
}

/** An AD bit is believed only of a resolver that has shown that it refuses what is bogus. */
function stateOf(
  answer: Answer<unknown> | undefined,
  fault: DnsFaultReason | undefined,
  resolver: ResolverFinding | undefined,
): DnssecState | undefined {
  if (resolver === undefined) return undefined;
  if (resolver.state !== 'proven') return 'unproven';
  if (answer !== undefined) return answer.isSecure ? 'secure' : 'insecure';
  return fault === 'bogus' ? 'bogus' : undefined;
}

function tlsaText({ usage, selector, matchingType, data }: TlsaRecord): string {
  return `${usage} ${selector} ${matchingType} ${data.toString('hex')}`;
}
