/**
 * One question to the resolver, one response from it.
 */
import type { Question, Response } from './dns-message.ts';

/** A way to the resolver. */
export interface Transport {
  /**
   * @param signal ends the attempt
   * @throws {DnsError}
   */
  exchange(question: Question, signal: AbortSignal): Promise<Response>;
  /** Ends what is open; what is under way fails. */
  close(): void;
}
