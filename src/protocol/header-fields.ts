/**
 * Cuts the header of a message into fields, by views of its octets.
 *
 * Guarantees: fields, and what follows them, are the octets given, in order, but for the envelope line of an mbox file
 * (and what is folded to it).
 * Does not: read what is in a field.
 */
const LF = 0x0a;
// RFC 5322 §2.2: a field name is printable US-ASCII without colon; blanks before the colon are the obsolete form (§4.5).
const FIELD = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/;
/** A name longer than this is no field anybody knows. */
const NAME_OCTETS = 1_000;

export interface Field {
  /** Lower case. */
  readonly name: string;
  /** All its lines, with the line ends. */
  readonly octets: Buffer;
  /** What follows the colon, folded as it came. */
  readonly body: Buffer;
}

export interface Header {
  readonly fields: readonly Field[];
  /** The empty line and what is behind it; without the empty line where a line that is no field ends the header. */
  readonly rest: Buffer;
  /** Whether its end was seen: an empty line, or a line that is no field. */
  readonly isWhole: boolean;
}

/** @param octets the beginning of a message whose only line ending is CRLF */
export function headerOf(octets: Buffer): Header {
  const fields: Field[] = [];
  let start = 0; // of the field that is being read
  let colon: { readonly name: string; readonly end: number } | undefined;
  const endField = (end: number): void => {
    if (colon === undefined) return;
    const { name, end: behindColon } = colon;
    fields.push({ name, octets: octets.subarray(start, end), body: octets.subarray(behindColon, end) });
    colon = undefined;
  };
  let next = 0;
  for (let line = 0; line < octets.length; line = next) {
    next = nextLine(octets, line);
    const text = octets.toString('latin1', line, Math.min(next, line + NAME_OCTETS));
    if (/^[ \t]/.test(text) && line > 0) continue;
    const [whole, name] = FIELD.exec(text) ?? []; // `From : a@x` is one
    // Programs that store mail in mbox files hand its envelope line on; it is no field.
    if (line === 0 && whole === undefined && /^>?From /.test(text)) continue;
    endField(line);
    if (whole === undefined || name === undefined)
      return { fields, rest: octets.subarray(line), isWhole: true };
    start = line;
    colon = { name: name.toLowerCase(), end: line + whole.length };
  }
  endField(octets.length);
  return { fields, rest: octets.subarray(octets.length), isWhole: false };
}

function nextLine(octets: Buffer, line: number): number {
  const lf = octets.indexOf(LF, line);
  return lf < 0 ? octets.length : lf + 1;
}
