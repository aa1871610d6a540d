/**
 * Every sequence that some parser was seen, or could be imagined, to take for the end of a message.
 */
export interface Variant {
  /** What stands between the outer message and the smuggled one, as JavaScript would write it. */
  readonly name: string;
  readonly octets: string;
  /** What becomes of it by RFC 5321 §4.5.2 and the normalisation: dots at CRLF un-stuffed, then strays mended. */
  readonly normalised: string;
  /** Whether there is a bare CR or LF in it. */
  readonly isStray: boolean;
  /** Whether a lax upstream without a relay in front is fooled. */
  readonly fools: boolean;
}

function variant(octets: string, normalised: string, marks: 'stray' | 'clean', fools = true): Variant {
  return { name: JSON.stringify(octets), octets, normalised, isStray: marks === 'stray', fools };
}

/** All but CRLF.CRLF itself. */
export const VARIANTS: readonly Variant[] = [
  // A dot between two line ends of which at least one is stray: the classes of CVE-2023-51764 to -51766.
  variant('\n.\n', '\r\n.\r\n', 'stray'),
  variant('\n.\r', '\r\n. ', 'stray'),
  variant('\n.\r\n', '\r\n.\r\n', 'stray'),
  variant('\r.\n', ' .\r\n', 'stray'),
  variant('\r.\r', ' . ', 'stray'),
  variant('\r.\r\n', ' .\r\n', 'stray'),
  variant('\r\n.\n', '\r\n\r\n', 'stray'),
  variant('\r\n.\r', '\r\n ', 'stray'),
  // Doubled line ends.
  variant('\r\n.\r\r\n', '\r\n \r\n', 'stray'),
  variant('\r\r\n.\r\r\n', ' \r\n \r\n', 'stray'),
  variant('\n\n.\n\n', '\r\n\r\n.\r\n\r\n', 'stray'),
  variant('\r\r.\r\r', '  .  ', 'stray'),
  variant('\n\r.\n\r', '\r\n .\r\n ', 'stray'),
  variant('\n\r\n.\n', '\r\n\r\n\r\n', 'stray'),
  variant('\r\n\r.\r\n', '\r\n .\r\n', 'stray'),
  variant('\r\n\n.\r\n', '\r\n\r\n.\r\n', 'stray'),
  variant('\r\n.\n\r\n', '\r\n\r\n\r\n', 'stray'),
  variant('\n\r\n.\r\r\n', '\r\n\r\n \r\n', 'stray'),
  // What smtp-server makes of harmless input when it un-stuffs behind a bare LF, and its neighbours.
  variant('\n..\r\n', '\r\n..\r\n', 'stray', false),
  variant('\n..\n', '\r\n..\r\n', 'stray', false),
  variant('\r..\r', ' .. ', 'stray', false),
  variant('\r\n..\n', '\r\n.\r\n', 'stray', false),
  variant('\r\n..\r', '\r\n. ', 'stray', false),
  variant('\n...\r\n', '\r\n...\r\n', 'stray', false),
  // Clean line ends: the dot is stuffing or text.
  variant('\r\n..\r\n', '\r\n.\r\n', 'clean', false),
  variant('\r\n...\r\n', '\r\n..\r\n', 'clean', false),
  variant('\r\n. \r\n', '\r\n \r\n', 'clean'),
  variant('\r\n.\t\r\n', '\r\n\t\r\n', 'clean'),
  variant('\r\n .\r\n', '\r\n .\r\n', 'clean', false),
  variant('\r\n.x\r\n', '\r\nx\r\n', 'clean', false),
  // Octets that some runtimes take for line ends or skip.
  variant('\r\n.\0\r\n', '\r\n\0\r\n', 'clean', false),
  variant('\r\n\0.\r\n', '\r\n\0.\r\n', 'clean', false),
  variant('\0\r\n.\0\r\n', '\0\r\n\0\r\n', 'clean', false),
  variant('\r\n.\x0b\r\n', '\r\n\x0b\r\n', 'clean', false),
  variant('\x0b.\x0b', '\x0b.\x0b', 'clean', false),
  variant('\r\n.\x0c\r\n', '\r\n\x0c\r\n', 'clean', false),
  variant('\r\n.\x85\r\n', '\r\n\x85\r\n', 'clean', false),
  variant('\x85.\x85', '\x85.\x85', 'clean', false),
  variant('\xc2\x85.\xc2\x85', '\xc2\x85.\xc2\x85', 'clean', false),
  variant('\xe2\x80\xa8.\xe2\x80\xa8', '\xe2\x80\xa8.\xe2\x80\xa8', 'clean', false),
];

export const OUTER = 'Date: Sun, 22 Nov 2026 04:48:00 +0000\r\nMessage-ID: <1@x.test>\r\n\r\nouter';

const INNER_COMMANDS = 'MAIL FROM:<evil@x>\r\nRCPT TO:<victim@y>\r\nDATA\r\n';
const INNER_TEXT = 'Subject: smuggled\r\n\r\nevil\r\n';
export const INNER = `${INNER_COMMANDS}${INNER_TEXT}`;

/** What a client writes after 354: one message, as RFC 5321 reads it. */
export function payload(one: Variant): Buffer {
  return Buffer.from(`${OUTER}${one.octets}${INNER}.\r\n`, 'latin1');
}

/** What has to arrive of it, behind the trace header. */
export function expected(one: Variant): string {
  return `${OUTER}${one.normalised}${INNER}`;
}
