/**
 * The arguments of MAIL and RCPT (RFC 5321 §4.1.1.2–3) as legacy clients write them.
 *
 * Guarantees: what it gives can be put on a command line as it is: brackets, no blank outside quotes, no control
 * character; nothing that a client wrote is decoded, folded or re-encoded.
 * Does not: judge whether an address exists or is legal for a next hop; that is the upstream's reply.
 */
import { isUtf8 } from 'node:buffer';

import { ARGUMENT_OCTETS, PATH_OCTETS } from './limits.ts';

export interface PathArgument {
  /** With brackets, source route removed: `<a@b>`, `<>`, `<"a b"@c>`, `<root>`. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Whether the path has octets beyond ASCII. */
  readonly isInternational: boolean;
}

export interface Parameter {
  /** Upper case. */
  readonly keyword: string;
  /** As received; undefined when there was no `=`. */
  readonly value: string | undefined;
  /** As received, keyword and value. */
  readonly text: string;
}

export type PathFault = 'syntax' | 'too-long' | 'bad-parameter' | 'bad-octets';

export type PathResult = { readonly ok: PathArgument } | { readonly fault: PathFault };

// A quoted local part may hold anything printable, brackets and blanks too (RFC 5321 §4.1.2).
const BRACKETED = /^<((?:"(?:[^"\\\t]|\\[^\t])*"|[^"<>\s])*)>(?:\s+(.*))?$/su;
const BARE = /^((?:"(?:[^"\\\t]|\\[^\t])*"|[^"<>\s])+)(?:\s+(.*))?$/su;
// esmtp-param, RFC 5321 §4.1.2: value is any printable octet but `=`, blank; old clients do put `=` into it.
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=(\S+))?$/u;
// RFC 5321 §4.1.1.3: a source route is accepted and ignored.
const SOURCE_ROUTE = /^@[^"<>\s:,]+(?:,@[^"<>\s:,]+)*:/u;
const CONTROL = /\p{Cc}/u;

/**
 * Parses what follows the verb.
 *
 * @param argument the octets after `MAIL ` or `RCPT `, without line end
 * @param keyword what must come first; blanks around the colon are tolerated
 */
export function parsePathArgument(argument: Buffer, keyword: 'FROM' | 'TO'): PathResult {
  if (argument.length > ARGUMENT_OCTETS) return { fault: 'too-long' };
  const text = decode(argument);
  if (text === undefined) return { fault: 'bad-octets' };
  const [head, rest = ''] = cut(text, ':');
  if (head.trim().toUpperCase() !== keyword) return { fault: 'syntax' };
  const [whole, mailbox = '', tail = ''] = matchMailbox(rest.trim());
  if (whole === undefined) return { fault: 'syntax' };
  const path = `<${mailbox.replace(SOURCE_ROUTE, '')}>`;
  if (path === '<>' && keyword === 'TO') return { fault: 'syntax' };
  if (Buffer.byteLength(path) > PATH_OCTETS) return { fault: 'too-long' };
  const parameters = parseParameters(tail);
  if (parameters === undefined) return { fault: 'bad-parameter' };
  return { ok: { path, parameters, isInternational: !isAscii(path) } };
}

function matchMailbox(text: string): readonly (string | undefined)[] {
  return (text.startsWith('<') ? BRACKETED : BARE).exec(text) ?? [];
}

/** The text before and after the first separator. */
function cut(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function parseParameters(text: string): readonly Parameter[] | undefined {
  const parameters: Parameter[] = [];
  for (const word of text.split(/\s+/u).filter((one) => one !== '')) {
    const found = PARAMETER.exec(word);
    const keyword = found?.[1]?.toUpperCase();
    // RFC 5321 §4.1.1.11: a parameter given twice has no meaning.
    if (keyword === undefined || parameters.some((one) => one.keyword === keyword)) return undefined;
    parameters.push({ keyword, value: found?.[2], text: word });
  }
  return parameters;
}

/** The argument as text; undefined when it is not UTF-8 or has a control character but a tab, which some put for a blank. */
function decode(octets: Buffer): string | undefined {
  if (!isUtf8(octets)) return undefined;
  const text = octets.toString('utf8');
  return CONTROL.test(text.replaceAll('\t', '')) ? undefined : text;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}
