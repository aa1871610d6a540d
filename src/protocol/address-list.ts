/**
 * Reads address lists of headers and arguments (RFC 5322 §3.4): names, groups, comments, quoted strings, domain
 * literals, obsolete source routes, folded lines.
 *
 * Guarantees: each address it gives is one that was written, in a form that fits into a RCPT command; what has more
 * than one reading is refused. Parsers made for showing mail guess instead, and a wrong guess sends a message to a
 * stranger: so this one is ours.
 * Takes what has one reading only, though no grammar allows it: `a@x <a@x>`, `a@x; b@y`, a group without its `;`,
 * `a..b@x`, a local part without a domain.
 */
import { parsePathArgument } from './path.ts';
import { printable } from './printable.ts';

/** The text is no address list; the message says why and shows the beginning of it. */
export class AddressSyntaxError extends Error {
  override readonly name = 'AddressSyntaxError';

  constructor(why: string, text: string) {
    super(`${why}: ${printable(text.trim(), 100)}`);
  }
}

/** One address of a list. */
export interface Mailbox {
  /** Without brackets; a local part without a domain is given as it is. */
  readonly address: string;
  /** Where it stands in the text, a source route included, brackets and names not; `end` is behind it. */
  readonly start: number;
  readonly end: number;
}

interface Token {
  /** `other` means something in a display name only. */
  readonly kind: 'atom' | 'quoted' | 'literal' | 'special' | 'other';
  /** Of a quoted string what is inside, quoted pairs undone. */
  readonly text: string;
  /** Whether blanks stand before it; a comment is none. */
  readonly isApart: boolean;
  /** Where it stands. */
  readonly start: number;
  readonly end: number;
}

// Sticky, in the order in which they are tried. Blanks and comments give no token.
const LEXEMES: readonly (readonly [RegExp, Token['kind'] | 'blank'])[] = [
  [/[ \t\r\n]+/y, 'blank'],
  [/"(?:[^"\\]|\\.)*"/sy, 'quoted'],
  [/\[[^[\]\\\s]*\]/y, 'literal'],
  [/[.@<>,;:]/y, 'special'],
  [/[[\]\\]/y, 'other'],
  [/[^\s()<>[\]:;@\\,."\p{Cc}]+/uy, 'atom'],
];
// RFC 5322 §3.2.3, with RFC 6532's characters beyond ASCII.
const DOT_ATOM = /^[^\s()<>[\]:;@\\,."\p{Cc}]+(?:\.[^\s()<>[\]:;@\\,."\p{Cc}]+)*$/u;

/**
 * The addresses of a list, without brackets, in order; a local part without a domain is given as it is.
 *
 * @throws {AddressSyntaxError}
 */
export function parseAddressList(text: string): readonly string[] {
  return parseMailboxes(text).map(({ address }) => address);
}

/**
 * The same, with where each stands.
 *
 * @throws {AddressSyntaxError}
 */
export function parseMailboxes(text: string): readonly Mailbox[] {
  const list = new ListReader(text);
  for (const token of tokensOf(text)) list.take(token);
  return list.end();
}

/** @throws {AddressSyntaxError} unless the text is one address */
export function parseAddress(text: string): string {
  const [address, ...more] = parseAddressList(text);
  if (address === undefined || more.length > 0) throw new AddressSyntaxError('not one address', text);
  return address;
}

class ListReader {
  readonly #text: string;
  readonly #mailboxes: Mailbox[] = [];
  /** Of the address being read: what is outside brackets. */
  #words: Token[] = [];
  /** And what is inside them, if there are any. */
  #angle: Token[] | undefined;
  #isInAngle = false;

  /** @param text for messages */
  constructor(text: string) {
    this.#text = text;
  }

  take(token: Token): void {
    if (this.#isInAngle) this.#takeInAngle(token);
    else if (isSpecial(token, ',') || isSpecial(token, ';')) this.#endAddress();
    else if (this.#angle !== undefined) throw this.#fault('more after an address in < >');
    else if (isSpecial(token, '<')) {
      this.#isInAngle = true;
      this.#angle = [];
    } else if (isSpecial(token, '>')) throw this.#fault('a > without <');
    else if (isSpecial(token, ':')) this.#beginGroup();
    else this.#words.push(token);
  }

  end(): readonly Mailbox[] {
    if (this.#isInAngle) throw this.#fault('a < without >');
    this.#endAddress();
    return this.#mailboxes;
  }

  #takeInAngle(token: Token): void {
    if (isSpecial(token, '<')) throw this.#fault('a < inside < >');
    if (isSpecial(token, '>')) this.#isInAngle = false;
    else this.#angle?.push(token);
  }

  /** The words were its name. */
  #beginGroup(): void {
    if (this.#words.some(isAt)) throw this.#fault('a : behind an address'); // which would be lost
    this.#words = [];
  }

  #endAddress(): void {
    const tokens = this.#angle ?? this.#words;
    if (this.#angle !== undefined || tokens.length > 0) {
      const address = addressOf(withoutRoute(tokens, this.#text), this.#text);
      const [start = 0, end = 0] = [tokens[0]?.start, tokens.at(-1)?.end];
      this.#mailboxes.push({ address, start, end });
    }
    this.#words = [];
    this.#angle = undefined;
  }

  #fault(why: string): AddressSyntaxError {
    return new AddressSyntaxError(why, this.#text);
  }
}

/** A local part as it is written in an address. */
export function localPart(text: string): string {
  return DOT_ATOM.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function* tokensOf(text: string): Generator<Token> {
  let at = 0;
  let isApart = false;
  while (at < text.length) {
    if (text[at] === '(') {
      at = endOfComment(text, at);
      continue;
    }
    const [kind, lexeme] = lexemeAt(text, at);
    const start = at;
    at += lexeme.length;
    if (kind !== 'blank')
      yield { kind, text: kind === 'quoted' ? unquoted(lexeme) : lexeme, isApart, start, end: at };
    isApart = kind === 'blank';
  }
}

function lexemeAt(text: string, at: number): readonly [Token['kind'] | 'blank', string] {
  for (const [pattern, kind] of LEXEMES) {
    pattern.lastIndex = at;
    const lexeme = pattern.exec(text)?.[0];
    if (lexeme !== undefined) return [kind, lexeme];
  }
  throw new AddressSyntaxError('a quote, parenthesis or control character out of place', text);
}

/** Comments nest (RFC 5322 §3.2.2). @returns the index behind it */
function endOfComment(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '(') depth += 1;
    else if (text[at] === ')') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  throw new AddressSyntaxError('a comment without end', text);
}

/** RFC 5322 §3.2.4: the line ends of a folded string and the backslashes of quoted pairs are not part of it. */
function unquoted(lexeme: string): string {
  return lexeme.slice(1, -1).replaceAll('\r\n', '').replace(/\\(.)/gs, '$1');
}

/** RFC 5322 §4.4: `@a,@b:` in front is to be ignored. */
function withoutRoute(tokens: readonly Token[], text: string): readonly Token[] {
  const [first] = tokens;
  if (first === undefined || !isAt(first)) return tokens;
  const colon = tokens.findIndex((token) => isSpecial(token, ':'));
  if (colon < 0) throw new AddressSyntaxError('a domain without an address', text);
  return tokens.slice(colon + 1);
}

function addressOf(tokens: readonly Token[], text: string): string {
  const at = tokens.findIndex(isAt);
  const local = at < 0 ? tokens : tokens.slice(0, at);
  if (!isDotted(local, ['atom', 'quoted'])) throw new AddressSyntaxError('not an address', text);
  const isQuoted = local.some(({ kind }) => kind === 'quoted');
  const name = isQuoted ? localPart(textOf(local)) : textOf(local);
  // Half of a display name whose comma was not quoted is no mailbox of this machine.
  if (at < 0 && name.startsWith('=?')) throw new AddressSyntaxError('an encoded word, not an address', text);
  const address = at < 0 ? name : `${name}@${domainOf(tokens.slice(at + 1), text)}`;
  // U+FFFD stands where octets were no UTF-8: which address was meant is not known.
  const isUsable =
    !address.includes('\ufffd') && 'ok' in parsePathArgument(Buffer.from(`TO:<${address}>`), 'TO');
  if (!isUsable) throw new AddressSyntaxError('not an address that SMTP can carry', text);
  return address;
}

function domainOf(tokens: readonly Token[], text: string): string {
  const [first] = tokens;
  const isLiteral = tokens.length === 1 && first?.kind === 'literal';
  if (!isLiteral && !(first?.kind === 'atom' && isDotted(tokens, ['atom'])))
    throw new AddressSyntaxError('not a domain behind @', text);
  return textOf(tokens);
}

/**
 * Words with dots between them and at least one word. Blanks beside a dot are the obsolete form (RFC 5322 §4.4) and
 * refused: `Dr. who@x` is more likely a mistake than `Dr.who@x`.
 */
function isDotted(tokens: readonly Token[], words: readonly Token['kind'][]): boolean {
  let wasWord = false;
  for (const [index, token] of tokens.entries()) {
    const isWord = words.includes(token.kind);
    if (!isWord && !isSpecial(token, '.')) return false;
    if (index > 0 && (token.isApart || (isWord && wasWord))) return false;
    wasWord = isWord;
  }
  return tokens.some(({ kind }) => kind !== 'special');
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map(({ text }) => text).join('');
}

function isAt(token: Token): boolean {
  return isSpecial(token, '@');
}

function isSpecial(token: Token, text: string): boolean {
  return token.kind === 'special' && token.text === text;
}
