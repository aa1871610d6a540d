/**
 * What a server offers in its EHLO reply (RFC 5321 §4.1.1.1).
 *
 * Guarantees: keywords are compared without case; a malformed line offers nothing and breaks nothing.
 */
import type { Reply } from './reply.ts';

// RFC 5321 §4.1.1.1 ehlo-keyword; `AUTH=LOGIN` is an old form that servers still send beside `AUTH LOGIN`.
const EHLO_LINE = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/;

// As one large provider writes it.
const SPLIT_8BITMIME = /^8 BITMIME$/i;

// RFC 9422 §3: name "=" value; the limits that are registered are numbers from 1 to 999999.
const LIMIT = /^([A-Za-z0-9-]+)=([1-9][0-9]{0,5})$/;

/** How much a server takes in one session and one message (RFC 9422 §4). */
export interface SessionLimits {
  /** Messages in one session. */
  readonly mailMax?: number | undefined;
  /** Recipients of one message. */
  readonly rcptMax?: number | undefined;
  /** Domains among the recipients of one session. */
  readonly domainMax?: number | undefined;
}

export class Capabilities {
  readonly #offered: ReadonlyMap<string, readonly string[]>;

  /** What the server does not say has no limit. */
  readonly limits: SessionLimits;

  private constructor(offered: ReadonlyMap<string, readonly string[]>) {
    this.#offered = offered;
    this.limits = limitsOf(this.parameters('LIMITS'));
  }

  /** The first line is the server's greeting, not a keyword. */
  static of(reply: Reply): Capabilities {
    const offered = new Map<string, string[]>();
    for (const line of reply.lines.slice(1)) {
      const found = EHLO_LINE.exec(line.trim().replace(SPLIT_8BITMIME, '8BITMIME'));
      const keyword = found?.[1]?.toUpperCase();
      if (keyword === undefined) continue;
      const parameters = (found?.[2] ?? '').split(/ +/).filter((word) => word !== '');
      offered.set(keyword, [...(offered.get(keyword) ?? []), ...parameters]);
    }
    return new Capabilities(offered);
  }

  /** @param keyword in upper case */
  has(keyword: string): boolean {
    return this.#offered.has(keyword);
  }

  /** Parameters as the server wrote them; none if it does not offer the keyword. */
  parameters(keyword: string): readonly string[] {
    return this.#offered.get(keyword) ?? [];
  }

  /** Largest message in octets; undefined when there is no limit or none was told (RFC 1870 §4). */
  get maxMessageOctets(): number | undefined {
    const [size] = this.parameters('SIZE');
    return size !== undefined && /^[1-9][0-9]{0,15}$/.test(size) ? Number(size) : undefined;
  }

  /** SASL mechanisms, upper case. */
  get authMechanisms(): readonly string[] {
    return this.parameters('AUTH').map((mechanism) => mechanism.toUpperCase());
  }
}

function limitsOf(parameters: readonly string[]): SessionLimits {
  const told = new Map<string, number>();
  for (const parameter of parameters) {
    const [, name = '', value] = LIMIT.exec(parameter) ?? [];
    if (value !== undefined) told.set(name.toUpperCase(), Number(value));
  }
  return { mailMax: told.get('MAILMAX'), rcptMax: told.get('RCPTMAX'), domainMax: told.get('RCPTDOMAINMAX') };
}
