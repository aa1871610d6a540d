/**
 * What a server offers in its EHLO reply (RFC 5321 §4.1.1.1).
 *
 * Guarantees: keywords are compared without case; a malformed line offers nothing and breaks nothing.
 */
import type { Reply } from './reply.ts';

// RFC 5321 §4.1.1.1 ehlo-keyword; `AUTH=LOGIN` is an old form that servers still send beside `AUTH LOGIN`.
const EHLO_LINE = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:[ =](.*))?$/;

export class Capabilities {
  readonly #offered: ReadonlyMap<string, readonly string[]>;

  private constructor(offered: ReadonlyMap<string, readonly string[]>) {
    this.#offered = offered;
  }

  /** The first line is the server's greeting, not a keyword. */
  static of(reply: Reply): Capabilities {
    const offered = new Map<string, string[]>();
    for (const line of reply.lines.slice(1)) {
      const found = EHLO_LINE.exec(line.trim());
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
