/**
 * Numbers of the protocol and bounds that keep memory flat (RFC 5321 §4.5.3).
 *
 * All sizes are octets unless the name says otherwise.
 */

/** A command line with its CRLF is 512 octets (RFC 5321 §4.5.3.1.4), longer with extensions; AUTH allows 12 288 (RFC 4954 §4). */
export const COMMAND_LINE_OCTETS = 12_288;

/** A path, brackets included, is at most 256 octets (RFC 5321 §4.5.3.1.3); SMTPUTF8 and old devices exceed it, so twice that. */
export const PATH_OCTETS = 512;

/** The argument of MAIL or RCPT with all its parameters; the extensions known add up to less than 2,000. */
export const ARGUMENT_OCTETS = 4_096;

/** A reply line is at most 512 octets (RFC 5321 §4.5.3.1.5); real servers send more, no honest one 2 KiB. */
export const REPLY_LINE_OCTETS = 2_048;

/** Lines of one reply: the longest EHLO lists known have about 25. */
export const REPLY_LINES = 128;

/** The header block is held in memory until it is whole; more is refused. */
export const HEADER_BLOCK_OCTETS = 1_048_576;

/** What the headers of all messages that are coming in may hold together. */
export const HEADERS_OCTETS = 268_435_456;

/** Received fields that mean a loop (RFC 5321 §6.3: at least 100). */
export const HOP_LIMIT = 100;

/** Recipients of one message (RFC 5321 §4.5.3.1.8 asks for 100 at least). */
export const RECIPIENTS = 10_000;

/** RFC 5321 §4.5.3.2.5: three minutes for one block of content to be taken. */
export const DATA_BLOCK_TIMEOUT_MS = 180_000;

/** RFC 5321 §4.5.3.2.7: a server waits at least five minutes for the next command. */
export const CLIENT_IDLE_TIMEOUT_MS = 300_000;
