/**
 * Text from the other side made fit to be shown: in a reply, a log line, a page.
 *
 * Guarantees: one line, no control or format characters (so no escape sequences and no bidirectional tricks), bounded.
 */

// Cc: controls. Cf: bidirectional and zero-width marks. Zl, Zp: line breaks of Unicode. Cs, Co, Cn: nothing to show.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\ufffd]/gu;

const PRINTABLE_ASCII = /^[ -~]*$/;

/** The octets as UTF-8 with everything unprintable replaced by `?`; a tab is a blank. */
export function printable(octets: Buffer | string, maxCharacters = 1_000): string {
  const text = typeof octets === 'string' ? octets : octets.toString('utf8');
  if (text.length <= maxCharacters && PRINTABLE_ASCII.test(text)) return text; // nearly all of it
  return text.replaceAll('\t', ' ').replace(UNPRINTABLE, '?').slice(0, maxCharacters);
}
