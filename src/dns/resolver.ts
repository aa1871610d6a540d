/**
 * A validating resolver named by the operator: DNSSEC as its AD bit tells it (RFC 4035 §4.9.3, RFC 7672 §2.2).
 *
 * Guarantees: an answer is secure only with the AD bit, over loopback or from a resolver that proved its name; bogus,
 * SERVFAIL and silence are errors, never an answer; a lookup ends within `LOOKUP_MS`.
 * Does not: validate signatures; `proveValidation` shows that the resolver does.
 */
import type { TlsaRecord } from '../tls/tlsa.ts';
import type { Trust } from '../tls/trust.ts';
import type { Answer, MailService, NameService, SrvRecord } from './answer.ts';
import { asDnsError, DnsError, type DnsFaultReason } from './dns-error.ts';
import { AnswerCache } from './answer-cache.ts';
import { NOERROR, NXDOMAIN, SERVFAIL, type Question, type Response } from './dns-message.ts';
import { domainName } from './domain-name.ts';
import { PlainTransport } from './plain-transport.ts';
import { A, AAAA, readAnswer, SRV, TLSA, type RecordKind, type TimedAnswer } from './record-set.ts';
import type { ResolverAddress } from './resolver-address.ts';
import { TlsTransport } from './tls-transport.ts';
import type { Transport } from './transport.ts';

/** For everything that one question takes: repetition, TCP, the handshake, the second question without checking. */
const LOOKUP_MS = 10_000;

/** What a resolver did with a name whose signatures are wrong. */
export type Validation =
  /** It refuses the name, and has the data all the same. */
  | { readonly state: 'proven' }
  /** It answers. */
  | { readonly state: 'not-validating' }
  /** Nothing is known; without `fault` it says that there is no such name. */
  | { readonly state: 'unproven'; readonly fault?: DnsFaultReason | undefined };

export interface ResolverOptions {
  /** Milliseconds, never going back. */
  readonly now?: () => number;
}

export class ValidatingResolver implements NameService {
  readonly #transport: Transport;
  readonly #a: AnswerCache<string>;
  readonly #aaaa: AnswerCache<string>;
  readonly #tlsa: AnswerCache<TlsaRecord>;
  readonly #srv: AnswerCache<SrvRecord>;
  readonly #closing = new AbortController();

  /** @param trust for DNS over TLS; not used on loopback */
  constructor(address: ResolverAddress, trust: Trust, options: ResolverOptions = {}) {
    this.#transport =
      address.kind === 'tls'
        ? new TlsTransport(address, trust)
        : new PlainTransport(address.host, address.port);
    const now = options.now ?? (() => performance.now());
    this.#a = new AnswerCache(now);
    this.#aaaa = new AnswerCache(now);
    this.#tlsa = new AnswerCache(now);
    this.#srv = new AnswerCache(now);
  }

  /**
   * Where A and AAAA end at different names, only the addresses of the first count. Where one has no answer those of the
   * other do, unless DNSSEC says that it was tampered with.
   */
  async addresses(name: string, signal: AbortSignal): Promise<Answer<string>> {
    const answers = await Promise.allSettled([
      this.#lookup(this.#a, A, name, signal),
      this.#lookup(this.#aaaa, AAAA, name, signal),
    ]);
    const given = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const best = given.find(({ records }) => records.length > 0) ?? given[0];
    const faults = answers.flatMap((one) =>
      one.status === 'rejected' ? [asDnsError(one.reason, 'servfail')] : [],
    );
    const bogus = faults.find(({ reason }) => reason === 'bogus');
    const fault = bogus ?? (best === undefined || best.records.length === 0 ? faults[0] : undefined);
    if (fault !== undefined) throw fault;
    if (best === undefined) throw new TypeError('a lookup has neither an answer nor a fault');
    const { canonicalName } = best;
    const records = given.flatMap((one) => (one.canonicalName === canonicalName ? one.records : []));
    return { isSecure: given.some(({ isSecure }) => isSecure), records, canonicalName };
  }

  async tlsa(port: number, name: string, signal: AbortSignal): Promise<Answer<TlsaRecord>> {
    return this.#lookup(this.#tlsa, TLSA, `_${port}._tcp.${domainName(name)}`, signal);
  }

  async srv(service: MailService, domain: string, signal: AbortSignal): Promise<Answer<SrvRecord>> {
    return this.#lookup(this.#srv, SRV, `${service}._tcp.${domainName(domain)}`, signal);
  }

  /**
   * Shows whether the resolver validates, by a name whose signatures are wrong.
   *
   * @param bogusName has an A record
   */
  async proveValidation(bogusName: string, signal: AbortSignal): Promise<Validation> {
    try {
      const question = { type: 'A', name: domainName(bogusName) } as const;
      return await this.#inTime(async (end) => {
        const checked = await this.#transport.exchange({ ...question, isUnchecked: false }, end);
        if (checked.code === NOERROR) return { state: 'not-validating' };
        if (checked.code !== SERVFAIL) return unproven(checked);
        const unchecked = await this.#transport.exchange({ ...question, isUnchecked: true }, end);
        return unchecked.code === NOERROR ? { state: 'proven' } : unproven(unchecked);
      }, signal);
    } catch (error) {
      if (!(error instanceof DnsError)) throw error;
      return { state: 'unproven', fault: error.reason };
    }
  }

  /** Ends the connection of DNS over TLS and everything under way. */
  close(): void {
    this.#closing.abort();
    this.#transport.close();
  }

  async #lookup<T>(
    cache: AnswerCache<T>,
    kind: RecordKind<T>,
    name: string,
    signal: AbortSignal,
  ): Promise<Answer<T>> {
    const asked = domainName(name);
    const ask = async (noneWaits: AbortSignal): Promise<TimedAnswer<T>> =>
      this.#inTime(async (end) => {
        const question = { type: kind.type, name: asked, isUnchecked: false };
        return readAnswer(kind, asked, await this.#answered(question, end));
      }, noneWaits);
    return cache.get(asked, ask, signal);
  }

  /** @returns NOERROR or NXDOMAIN */
  async #answered(question: Question, signal: AbortSignal): Promise<Response> {
    const response = await this.#transport.exchange(question, signal);
    if (isAnswer(response)) return response;
    if (response.code !== SERVFAIL) throw new DnsError('refused');
    // What can be had only without checking is there, and wrong.
    const unchecked = await this.#transport.exchange({ ...question, isUnchecked: true }, signal);
    throw new DnsError(isAnswer(unchecked) ? 'bogus' : 'servfail');
  }

  /** Ends the work with the signal, with `close()` and after `LOOKUP_MS`. */
  async #inTime<T>(work: (end: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#closing.signal.aborted) throw new DnsError('unreachable');
    const end = new AbortController();
    const onAbort = (): void => end.abort();
    const timer = setTimeout(onAbort, LOOKUP_MS);
    const signals = [signal, this.#closing.signal];
    for (const one of signals) one.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await work(end.signal);
    } finally {
      clearTimeout(timer);
      for (const one of signals) one.removeEventListener('abort', onAbort);
    }
  }
}

function isAnswer({ code }: Response): boolean {
  return code === NOERROR || code === NXDOMAIN;
}

function unproven({ code }: Response): Validation {
  if (code === NXDOMAIN) return { state: 'unproven' };
  return { state: 'unproven', fault: code === SERVFAIL ? 'servfail' : 'refused' };
}
