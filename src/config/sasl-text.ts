/**
 * A user name or password as SASL can carry it.
 */

/** Two of these, in base64, fit on the longest line that AUTH may have (RFC 4954 §4). */
const SASL_TEXT_OCTETS = 4_000;

/** NUL separates the parts of a PLAIN response (RFC 4616 §2). @throws {Error} when the text has one, or is too long */
export function checkSaslText(text: string): string {
  if (text.includes('\0')) throw new Error('should have no NUL in a user name or password');
  if (Buffer.byteLength(text) > SASL_TEXT_OCTETS) throw new Error('should not be longer than 4000 octets');
  return text;
}
