/**
 * The system's own resolver: where no validating one is named.
 *
 * Guarantees: nothing it says is secure; it gives no TLSA record.
 */
import { lookup, Resolver } from 'node:dns/promises';

import { errorCode } from '../protocol/error-code.ts';
import { unlessAborted } from '../protocol/unless-aborted.ts';
import type { TlsaRecord } from '../tls/tlsa.ts';
import type { Answer, MailService, NameService, SrvRecord } from './answer.ts';
import { DnsError, timedOut, type DnsFaultReason } from './dns-error.ts';
import { domainName } from './domain-name.ts';
import { srvTarget } from './record-set.ts';

// getaddrinfo's and c-ares' words; `undefined`: the answer is that there is none.
const REASONS: ReadonlyMap<string, DnsFaultReason | undefined> = new Map([
  ['ENOTFOUND', undefined],
  ['ENODATA', undefined],
  ['ESERVFAIL', 'servfail'],
  ['EAI_AGAIN', 'servfail'],
  ['EREFUSED', 'refused'],
  ['ENOTIMP', 'refused'],
  ['EFORMERR', 'refused'],
  ['ETIMEOUT', 'timeout'],
  ['ECANCELLED', 'timeout'],
  ['ECONNREFUSED', 'unreachable'],
  ['EBADRESP', 'malformed'],
  ['EBADNAME', 'malformed'],
]);

export class SystemResolver implements NameService {
  readonly #newResolver: () => Resolver;

  constructor(newResolver = (): Resolver => new Resolver()) {
    this.#newResolver = newResolver;
  }

  async addresses(name: string, signal: AbortSignal): Promise<Answer<string>> {
    const asked = domainName(name);
    const found = await settled(lookup(asked, { all: true, order: 'verbatim' }), signal);
    return insecure(
      asked,
      found.map(({ address }) => address),
    );
  }

  async tlsa(port: number, name: string): Promise<Answer<TlsaRecord>> {
    return insecure(domainName(`_${port}._tcp.${domainName(name)}`), []);
  }

  async srv(service: MailService, domain: string, signal: AbortSignal): Promise<Answer<SrvRecord>> {
    const asked = domainName(`${service}._tcp.${domainName(domain)}`);
    const resolver = this.#newResolver();
    try {
      const found = await settled(resolver.resolveSrv(asked), signal);
      return insecure(
        asked,
        found.map(({ priority, weight, port, name }) => ({
          priority,
          weight,
          port,
          target: srvTarget(name),
        })),
      );
    } finally {
      resolver.cancel();
    }
  }
}

function insecure<T>(canonicalName: string, records: readonly T[]): Answer<T> {
  return { isSecure: false, records, canonicalName };
}

/** What was found, none if there is none; the wait ends with the signal even where the lookup itself cannot be ended. */
async function settled<T>(found: Promise<readonly T[]>, signal: AbortSignal): Promise<readonly T[]> {
  try {
    return await unlessAborted(found, signal, timedOut);
  } catch (error) {
    if (error instanceof DnsError) throw error;
    const reason = reasonOf(error);
    if (reason === undefined) return [];
    throw new DnsError(reason, { cause: error });
  }
}

function reasonOf(error: unknown): DnsFaultReason | undefined {
  const code = errorCode(error) ?? '';
  return REASONS.has(code) ? REASONS.get(code) : 'servfail';
}
