/**
 * What a SASL mechanism is to the hop that speaks it (RFC 4422 §3, RFC 4954 §4).
 */
export interface Mechanism {
  readonly name: string;
  /** base64, to be sent with the AUTH command; undefined when the server speaks first. */
  readonly initialResponse: string | undefined;
  /**
   * Answers a 334.
   *
   * @param challenge its text, base64 as received
   * @returns base64; undefined to give up
   */
  respond(challenge: string): string | undefined;
}

/** Text as UTF-8 in base64. */
export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
