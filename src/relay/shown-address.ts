/**
 * Addresses of people as a page may show them.
 */

/** As they are; the first letter and the domain; or not at all. */
export type AddressShown = 'show' | 'mask' | 'hide';

const HIDDEN = '…';

/** @param address without angle brackets; '' is the null sender */
export function shownAddress(address: string, shown: AddressShown): string {
  if (shown === 'show' || address === '') return address;
  if (shown === 'hide') return HIDDEN;
  const at = address.lastIndexOf('@');
  return `${address.slice(0, at === 0 ? 0 : 1)}${HIDDEN}${at === -1 ? '' : address.slice(at)}`;
}

// A local part may be quoted, and have blanks and commercial ats inside then; an apostrophe may stand in it, and around the
// whole. What is no address is matched too, so that no octet of a long text is looked at for each of those before it.
const WORD =
  /(?:"(?:[^"\\]|\\.){0,320}"(?=@)|[^\s<>@"',;:()[\]][^\s<>@",;:()[\]]*)(?<domain>@[^\s<>@"',;:()]+)?/gu;

/** Text that may name addresses, such as an upstream's reply. */
export function withShownAddresses(text: string, shown: AddressShown): string {
  if (shown === 'show' || !text.includes('@')) return text;
  return text.replace(WORD, (word: string, domain: string | undefined) =>
    domain === undefined ? word : shownAddress(word, shown),
  );
}
