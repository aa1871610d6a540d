/**
 * Addresses of an envelope, without brackets, and patterns of them: one address, a local part anywhere, a domain, what
 * is under a domain, or the empty sender. Upper and lower case are the same, and so are the two forms of an
 * internationalised domain.
 */
import { domainToASCII } from 'node:url';

export type AddressPattern =
  | { readonly kind: 'address'; readonly localPart: string; readonly domain: string }
  | { readonly kind: 'local-part'; readonly localPart: string }
  | { readonly kind: 'domain' | 'subdomains'; readonly domain: string }
  | { readonly kind: 'nobody' };

const LOCAL_PART = /^(?:[^\s<>@*"]+|"(?:[^"\\]|\\.)+")$/u;
const DOMAIN = /^[^\s<>@*]*[^\s<>@*.]$/u;

/**
 * Reads `user@example.com`, `user@`, `@example.com`, `*.example.com` (or `@*.example.com`) or `<>`.
 *
 * @returns undefined for anything else
 */
export function addressPattern(text: string): AddressPattern | undefined {
  if (text === '<>') return { kind: 'nobody' };
  const under = /^@?\*\.(.*)$/u.exec(text)?.[1];
  const at = text.lastIndexOf('@');
  if (under !== undefined) return domainPattern('subdomains', under);
  if (at === 0) return domainPattern('domain', text.slice(1));
  const written = text.slice(0, Math.max(at, 0));
  if (!LOCAL_PART.test(written)) return undefined;
  const localPart = unquoted(written).toLowerCase();
  const domain = text.slice(at + 1);
  if (domain === '') return { kind: 'local-part', localPart };
  return DOMAIN.test(domain) ? { kind: 'address', localPart, domain: folded(domain) } : undefined;
}

function domainPattern(kind: 'domain' | 'subdomains', domain: string): AddressPattern | undefined {
  return DOMAIN.test(domain) ? { kind, domain: folded(domain) } : undefined;
}

/** Several, separated by commas. @throws {Error} that says what they should be */
export function parseAddressPatterns(text: string): readonly AddressPattern[] {
  const words = text.split(',').map((word) => word.trim());
  return words
    .filter((word) => word !== '')
    .map((word) => {
      const pattern = addressPattern(word);
      if (pattern === undefined)
        throw new Error('should be user@domain, user@, @domain or *.domain, separated by commas');
      return pattern;
    });
}

export function matchesAny(address: string, patterns: readonly AddressPattern[]): boolean {
  const { localPart, domain } = partsOf(address);
  return patterns.some((pattern) => {
    switch (pattern.kind) {
      case 'nobody':
        return address === '';
      case 'local-part':
        return localPart === pattern.localPart;
      case 'domain':
        return domain === pattern.domain;
      case 'subdomains':
        return domain.endsWith(`.${pattern.domain}`);
      case 'address':
        return localPart === pattern.localPart && domain === pattern.domain;
    }
  });
}

/** A local part alone. */
export function isBare(address: string): boolean {
  return address !== '' && domainAt(address) < 0;
}

export function isSameAddress(one: string, other: string): boolean {
  const [a, b] = [partsOf(one), partsOf(other)];
  return a.localPart === b.localPart && a.domain === b.domain;
}

function partsOf(address: string): { readonly localPart: string; readonly domain: string } {
  const at = domainAt(address);
  if (at < 0) return { localPart: unquoted(address).toLowerCase(), domain: '' };
  const domain = folded(address.slice(at + 1).replace(/\.$/, ''));
  return { localPart: unquoted(address.slice(0, at)).toLowerCase(), domain };
}

/** Where the `@` is that stands before the domain; a quoted local part may have others. */
function domainAt(address: string): number {
  const quoted = /^"(?:[^"\\]|\\.)*"/su.exec(address)?.[0].length ?? 0;
  return address.indexOf('@', quoted) < 0 ? -1 : address.lastIndexOf('@');
}

/** An ASCII domain is left alone: the function for the others would read `1.2.3` as an address. */
function folded(domain: string): string {
  const lower = domain.toLowerCase();
  return Buffer.byteLength(lower) === lower.length ? lower : domainToASCII(lower) || lower;
}

/** RFC 5321 §4.1.2: `"john"@example.com` is `john@example.com`. */
function unquoted(localPart: string): string {
  if (!/^".*"$/su.test(localPart)) return localPart;
  return localPart.slice(1, -1).replaceAll(/\\(.)/gsu, '$1');
}
