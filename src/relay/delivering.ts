/**
 * What takes one message from its client: an upstream alone, or one that the spool stands behind.
 */
import type { PathArgument } from '../protocol/path.ts';
import type { Reply } from '../protocol/reply.ts';
import type { Body } from '../upstream/body.ts';
import type { Answer, TransactionIds } from './refuse.ts';

export interface Delivering {
  /** Without a `hid` where no hop could be had. */
  readonly ids: TransactionIds;
  /** Whether content may come. */
  readonly hasRecipient: boolean;
  /** The largest message that may come. */
  readonly maxOctets: number;
  /** To be called once in a while: who is silent behind MAIL needs no hop. @param now performance.now() */
  tend(now: number): void;
  rcpt(argument: PathArgument): Promise<Answer>;
  /** Begins the content. @returns where it goes, or the refusal */
  data(): Promise<Body | Answer>;
  /**
   * The message has ended well.
   *
   * @param reply what the body's end gave
   * @param octets as the client sent them
   * @returns what the client is told
   */
  delivered(reply: Reply, octets: number): Reply;
  /** Ends the transaction with a failure. @param octets of content that came */
  fail(error: unknown, octets?: number): Answer;
  /**
   * The client gave the transaction up. An unfinished message is cut off, never ended.
   *
   * @param octets of content that came; undefined where none could
   */
  abandon(octets?: number): Promise<void>;
}
