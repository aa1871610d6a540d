/**
 * A user name or password as SASL can carry it.
 */

/** NUL separates the parts of a PLAIN response (RFC 4616 §2). @throws {Error} when the text has one */
export function checkSaslText(text: string): string {
  if (text.includes('\0')) throw new Error('should have no NUL in a user name or password');
  return text;
}
