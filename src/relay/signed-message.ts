/**
 * Whether a message carries a signature that a changed From would break, as far as its header tells.
 *
 * DKIM (RFC 6376) signs From itself. S/MIME (RFC 8551) and PGP/MIME (RFC 3156) sign the body, but readers compare From
 * with the signer (RFC 8550 §3). What is encrypted may be signed inside.
 * Does not: verify anything, or look into the body: PGP text inside a plain body is not seen.
 */
import { headerOf, type Field } from '../protocol/header-fields.ts';

export type Signature = 'dkim' | 'smime' | 'pgp';

const READABLE_OCTETS = 65_536;

/** @param octets the header and what came with its end */
export function signatureOf(octets: Buffer): Signature | undefined {
  const { fields } = headerOf(octets);
  if (fields.some((field) => field.name === 'dkim-signature' && coversFrom(textOf(field)))) return 'dkim';
  for (const field of fields) {
    const signature = field.name === 'content-type' ? contentSignature(textOf(field)) : undefined;
    if (signature !== undefined) return signature;
  }
  return undefined;
}

/** RFC 6376 §3.2, §3.5: `tag=value;`, and h= names the signed fields, present or not, with colons between them. */
function coversFrom(text: string): boolean {
  for (const tag of text.split(';')) {
    const [, names] = /^\s*h\s*=(.*)$/s.exec(tag) ?? [];
    if (names !== undefined) return names.split(':').some((name) => name.trim().toLowerCase() === 'from');
  }
  return false;
}

function contentSignature(text: string): Signature | undefined {
  const [, type = ''] = /^(?:\s|\([^()]*\))*([^\s;(]+)/.exec(text) ?? [];
  switch (type.toLowerCase()) {
    case 'multipart/signed':
      return /protocol\s*=\s*"?application\/pgp-/i.test(text) ? 'pgp' : 'smime';
    case 'multipart/encrypted':
      return 'pgp';
    case 'application/pkcs7-mime':
    case 'application/x-pkcs7-mime':
      return 'smime';
    default:
      return undefined;
  }
}

/** Unfolded, and no more of it than any honest one has. */
function textOf({ body }: Field): string {
  return body.toString('latin1', 0, READABLE_OCTETS).replaceAll('\r\n', '');
}
