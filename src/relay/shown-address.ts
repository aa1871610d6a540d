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

// A local part may be quoted, and have blanks and commercial ats inside then.
const ADDRESS = /(?:"[^"]{0,64}"|[^\s<>@"',;:()[\]]+)@[^\s<>@"',;:()]+/gu;

/** Text that may name addresses, such as an upstream's reply. */
export function withShownAddresses(text: string, shown: AddressShown): string {
  return shown === 'show' || !text.includes('@')
    ? text
    : text.replace(ADDRESS, (address) => shownAddress(address, shown));
}
