/**
 * Exit codes of sysexits.h, which callers of sendmail know, and the failure that carries one.
 */
import { enhancedCode, replyClass, type Reply } from '../protocol/reply.ts';

export const SYSEXITS = {
  ok: 0,
  usage: 64,
  dataError: 65,
  noUser: 67,
  unavailable: 69,
  software: 70,
  ioError: 74,
  temporaryFailure: 75,
  noPermission: 77,
  config: 78,
} as const;

export type ExitCode = (typeof SYSEXITS)[keyof typeof SYSEXITS];

/** The message was not handed over; the text is for whoever called, on one line. */
export class SendmailError extends Error {
  override readonly name = 'SendmailError';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, text: string, options?: ErrorOptions) {
    super(text, options);
    this.exitCode = exitCode;
  }
}

/** What was refused: the whole message, or one recipient of it. */
export type Refused = 'message' | 'recipient';

/**
 * The code for a refusal: 75 for all that may pass by itself; else what the enhanced code tells (RFC 3463 §3), else
 * what was refused.
 */
export function exitCodeOf(reply: Reply, refused: Refused): ExitCode {
  if (replyClass(reply) === 4) return SYSEXITS.temporaryFailure;
  const [, subject] = (enhancedCode(reply) ?? '').split('.');
  if (subject === '6') return SYSEXITS.dataError;
  if (subject === '7' || reply.code === 530) return SYSEXITS.noPermission;
  if (subject === '1') return SYSEXITS.noUser;
  const isUnknownMailbox = subject === undefined && [550, 551, 553].includes(reply.code);
  return refused === 'recipient' && isUnknownMailbox ? SYSEXITS.noUser : SYSEXITS.unavailable;
}
