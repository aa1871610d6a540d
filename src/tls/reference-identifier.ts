/**
 * Who must be at the other end, and whether a certificate says so (RFC 9525).
 *
 * Guarantees: a name is looked for in the subjectAltName only, never in the CN; a wildcard counts only as the whole
 * left-most label; an IP address matches only an iPAddress entry.
 */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import type { X509Certificate } from 'node:crypto';

/** RFC 9525 §6.1: a DNS-ID, or an IP-ID when the operator configured an address. */
export type ReferenceIdentifier =
  { readonly kind: 'dns'; readonly name: string } | { readonly kind: 'ip'; readonly address: string };

/**
 * Reads a host as configured; brackets of an IPv6 literal and a final dot are dropped, a U-label becomes an A-label.
 *
 * @returns undefined when it is neither a name nor an address
 */
export function referenceIdentifier(host: string): ReferenceIdentifier | undefined {
  const literal = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(literal) !== 0) return { kind: 'ip', address: literal };
  // `domainToASCII` reads a host as a URL does: it drops line ends and cuts at these.
  if (/[\s\p{Cc}/?#@:\\%]/u.test(host)) return undefined;
  const name = domainToASCII(host.replace(/\.$/, ''));
  if (isIP(name) !== 0) return undefined; // so a URL reads `0x7f.1` and `2130706433`; nobody means that
  const labels = name.split('.');
  const isName = labels.every((label) => /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/.test(label));
  return isName && name.length <= 253 ? { kind: 'dns', name } : undefined;
}

/** The identifier as text. */
export function identifierText(reference: ReferenceIdentifier): string {
  return reference.kind === 'dns' ? reference.name : reference.address;
}

/** Whether one presented identifier of the certificate is the reference identifier (RFC 9525 §6.3). */
export function isPresentedBy(reference: ReferenceIdentifier, certificate: X509Certificate): boolean {
  if (reference.kind === 'ip') return certificate.checkIP(reference.address) !== undefined;
  const found = certificate.checkHost(reference.name, {
    subject: 'never',
    wildcards: true,
    partialWildcards: false,
    multiLabelWildcards: false,
    singleLabelSubdomains: false,
  });
  return found !== undefined;
}
