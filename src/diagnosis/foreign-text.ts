/**
 * Text from the other side, fit for a terminal and for a list.
 */
import { printable } from '../protocol/printable.ts';

const MAX_CHARACTERS = 300;
const MAX_ITEMS = 40;

/** One line, printable, cut off where it is too long to read. */
export function shown(text: string, maxCharacters = MAX_CHARACTERS): string {
  const line = printable(text, maxCharacters + 1);
  return line.length > maxCharacters ? `${line.slice(0, maxCharacters)}…` : line;
}

export function shownList(texts: readonly string[]): readonly string[] {
  const items = texts.slice(0, MAX_ITEMS).map((text) => shown(text));
  return texts.length > MAX_ITEMS ? [...items, '…'] : items;
}
