/**
 * From standard input to the relay's verdict.
 */
import { headerOf } from '../protocol/header-fields.ts';
import { printable } from '../protocol/printable.ts';
import { replyText } from '../protocol/reply.ts';
import { Draft } from './draft.ts';
import { envelopeOf, headerForRelay, type Caller } from './envelope.ts';
import { exitCodeOf, SendmailError, SYSEXITS, type ExitCode } from './exit-code.ts';
import { openLoopback, type RelayAddress } from './loopback-socket.ts';
import type { Options } from './options.ts';
import { RelayDialog } from './relay-dialog.ts';
import { submit, type Refusal, type Submission } from './submit.ts';

export interface Surroundings extends Caller {
  readonly relay: RelayAddress;
  readonly input: AsyncIterable<unknown>;
  /** Takes one line, without its end. */
  readonly tell: (line: string) => void;
}

/** @throws {SendmailError} */
export async function deliver(options: Options, around: Surroundings): Promise<ExitCode> {
  await using draft = await Draft.take(around.input, options.dotEnds);
  const header = headerOf(draft.start);
  if (!header.isWhole && !draft.isHeld)
    throw new SendmailError(SYSEXITS.dataError, `the header has more than ${draft.start.length} octets`);
  const envelope = envelopeOf(options, header, around);
  const start = headerForRelay(header, options.fullName, envelope.sender, around);
  const { isEightBit } = draft;
  const { notify, returned, envelopeId } = options;
  const mail: Submission = { envelope, start, draft, isEightBit, notify, returned, envelopeId };
  const socket = await openLoopback(around.relay);
  const dialog = new RelayDialog(
    socket,
    options.isVerbose ? (line) => around.tell(printable(line)) : undefined,
  );
  try {
    return told(await submit(dialog, around.hostname, mail), envelope.recipients.length, around.tell);
  } catch (error) {
    dialog.close();
    throw error;
  }
}

/** The upstream's own words about each recipient; once when they are about the message. */
function told(refusals: readonly Refusal[], all: number, tell: (line: string) => void): ExitCode {
  const seen = new Set<string>();
  for (const { recipient, reply, refused } of refusals) {
    const what = refused === 'message' ? 'the message' : `<${recipient}>`;
    const line = `${what} was refused: ${replyText(reply)}`;
    if (!seen.has(line)) tell(printable(line, 4_000));
    seen.add(line);
  }
  const delivered = all - refusals.length;
  if (refusals.length > 0 && delivered > 0) tell(`${delivered} of ${all} recipients have got the message`);
  return gravest(refusals.map(({ reply, refused }) => exitCodeOf(reply, refused)));
}

/** One that says "do not try again" wins: a caller that tried again would reach the others twice. */
function gravest(codes: readonly ExitCode[]): ExitCode {
  return codes.find((code) => code !== SYSEXITS.temporaryFailure) ?? codes[0] ?? SYSEXITS.ok;
}
