/**
 * A name service that says what a test wants, and remembers what it was asked.
 */
import type { Answer, MailService, NameService, SrvRecord } from '../../../src/dns/answer.ts';
import { DnsError, type DnsFaultReason } from '../../../src/dns/dns-error.ts';
import { referenceIdentifier, type ReferenceIdentifier } from '../../../src/tls/reference-identifier.ts';
import type { TlsaRecord } from '../../../src/tls/tlsa.ts';

export interface Said<T> {
  readonly records?: readonly T[];
  /** True by default. */
  readonly isSecure?: boolean;
  /** The end of an alias; the asked name by default. */
  readonly canonicalName?: string;
}

/** What is not there is securely denied. */
export interface Sayings {
  readonly addresses?: Readonly<Record<string, Said<string> | DnsFaultReason>>;
  /** By `port name`. */
  readonly tlsa?: Readonly<Record<string, Said<TlsaRecord> | DnsFaultReason>>;
  readonly srv?: Partial<Readonly<Record<MailService, Said<SrvRecord> | DnsFaultReason>>>;
}

export class ScriptedNames implements NameService {
  readonly asked: string[] = [];
  readonly #sayings: Sayings;

  constructor(sayings: Sayings = {}) {
    this.#sayings = sayings;
  }

  async addresses(name: string): Promise<Answer<string>> {
    return this.#say(`addresses ${name}`, name, this.#sayings.addresses?.[name]);
  }

  async tlsa(port: number, name: string): Promise<Answer<TlsaRecord>> {
    return this.#say(
      `tlsa ${port} ${name}`,
      `_${port}._tcp.${name}`,
      this.#sayings.tlsa?.[`${port} ${name}`],
    );
  }

  async srv(service: MailService, domain: string): Promise<Answer<SrvRecord>> {
    return this.#say(`srv ${service} ${domain}`, `${service}._tcp.${domain}`, this.#sayings.srv?.[service]);
  }

  #say<T>(question: string, name: string, said: Said<T> | DnsFaultReason | undefined): Answer<T> {
    this.asked.push(question);
    if (typeof said === 'string') throw new DnsError(said);
    const { records = [], isSecure = true, canonicalName = name } = said ?? {};
    return { records, isSecure, canonicalName };
  }
}

/** A name or an address as the configuration has it. */
export function dnsOrIp(text: string): ReferenceIdentifier {
  const reference = referenceIdentifier(text);
  if (reference === undefined) throw new Error(`${text} is neither a name nor an address`);
  return reference;
}
