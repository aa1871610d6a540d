/**
 * Domain names as text: the form in which they are asked, compared and given out.
 *
 * Guarantees: lower case, no final dot, only letters, digits, `-` and `_` in labels: such a name is safe in a log, in
 * SNI and in a question, and has one reading (the decoder of DNS messages writes a dot inside a label as a dot).
 */
import { DnsError } from './dns-error.ts';

const NAME_OCTETS = 253; // RFC 1035 §2.3.4, as text
const LABEL = /^[a-z0-9_-]{1,63}$/;

/**
 * @param text as configured or as decoded; a final dot is dropped
 * @throws {DnsError} malformed
 */
export function domainName(text: string): string {
  const name = lowerCase(text).replace(/\.$/, '');
  const isName = name.length <= NAME_OCTETS && name.split('.').every((label) => LABEL.test(label));
  if (!isName) throw new DnsError('malformed');
  return name;
}

/** Whether two names as they stand in a message are the same: case has no meaning (RFC 4343). */
export function isSameName(one: string, other: string): boolean {
  return fold(one) === fold(other);
}

function fold(name: string): string {
  return lowerCase(name).replace(/(.)\.$/, '$1');
}

/** Of ASCII only: `toLowerCase` makes a `k` of the Kelvin sign, and so one name of two. */
function lowerCase(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
