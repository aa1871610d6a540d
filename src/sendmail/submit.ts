/**
 * Hands a message to the relay: one transaction, or several when the relay wants some recipients later.
 *
 * Guarantees: what it calls delivered was answered 250 after its content, so the upstream has it.
 *
 * One refused recipient does not keep the message from the others. msmtp and ssmtp give up altogether then, sendmail
 * never did: an alarm for two people must not be lost because one of them has left. Who was refused is told, and the
 * exit code is not 0.
 *
 * 452 to a recipient, behind one that was accepted, means: send this one next (RFC 5321 §4.5.3.1.10). So it is done.
 */
import { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { DotStuffer } from '../protocol/dot-stuffer.ts';
import { isMailAccepted, isRefusal, replyText, type Reply } from '../protocol/reply.ts';
import type { Draft } from './draft.ts';
import type { Envelope } from './envelope.ts';
import { exitCodeOf, SendmailError, SYSEXITS, type Refused } from './exit-code.ts';
import type { RelayDialog } from './relay-dialog.ts';

export interface Submission {
  readonly envelope: Envelope;
  /** What goes before `draft.rest()`. */
  readonly start: Buffer;
  readonly draft: Pick<Draft, 'rest'>;
  readonly isEightBit: boolean;
  /** NOTIFY of each recipient, RET and ENVID, where asked for. */
  readonly notify: string | undefined;
  readonly returned: string | undefined;
  readonly envelopeId: string | undefined;
}

export interface Refusal {
  readonly recipient: string;
  readonly reply: Reply;
  readonly refused: Refused;
}

/** @returns who did not get it; nobody, normally. @throws {SendmailError} when the dialog breaks off */
export async function submit(
  dialog: RelayDialog,
  hostname: string,
  mail: Submission,
): Promise<readonly Refusal[]> {
  const greeting = await dialog.reply();
  if (isRefusal(greeting)) throw refusedSession(greeting);
  const hello = await dialog.command(CommandLine.ehlo(hostname));
  if (isRefusal(hello)) throw refusedSession(hello);
  const offered = Capabilities.of(hello);
  const refusals: Refusal[] = [];
  let waiting = mail.envelope.recipients;
  try {
    while (waiting.length > 0) {
      const outcome = await transaction(
        dialog,
        { ...mail, envelope: { ...mail.envelope, recipients: waiting } },
        offered,
      );
      refusals.push(...outcome.refusals);
      waiting = outcome.later;
    }
  } catch (error) {
    const delivered = mail.envelope.recipients.length - refusals.length - waiting.length;
    if (!(error instanceof SendmailError) || delivered === 0) throw error;
    const text = `${error.message}; ${delivered} of ${mail.envelope.recipients.length} recipients have got the message`;
    throw new SendmailError(error.exitCode, text, { cause: error });
  }
  dialog.close(CommandLine.quit());
  return refusals;
}

interface Outcome {
  readonly refusals: readonly Refusal[];
  /** To be sent in a transaction of their own. */
  readonly later: readonly string[];
}

async function transaction(dialog: RelayDialog, mail: Submission, offered: Capabilities): Promise<Outcome> {
  const { recipients } = mail.envelope;
  const hasDsn = offered.has('DSN');
  const answer = await dialog.command(
    CommandLine.mail(`<${mail.envelope.sender}>`, mailParameters(mail, offered)),
  );
  if (!isMailAccepted(answer)) return refusedAltogether(recipients, answer);
  const parameters = hasDsn && mail.notify !== undefined ? [`NOTIFY=${mail.notify}`] : [];
  const refusals: Refusal[] = [];
  const later: Refusal[] = [];
  const accepted: string[] = [];
  for (const recipient of recipients) {
    const reply = await dialog.command(CommandLine.rcpt(`<${recipient}>`, parameters));
    if (isMailAccepted(reply)) accepted.push(recipient);
    else (reply.code === 452 ? later : refusals).push({ recipient, reply, refused: 'recipient' });
  }
  if (accepted.length === 0) return { refusals: [...refusals, ...later], later: [] };
  const verdict = await sendContent(dialog, mail);
  if (!isMailAccepted(verdict)) refusals.push(...refusedAltogether(accepted, verdict).refusals);
  // Whatever the verdict: those who wait may have another upstream.
  return { refusals, later: later.map(({ recipient }) => recipient) };
}

/** @returns the verdict, which may come before the content is sent */
async function sendContent(dialog: RelayDialog, { start, draft }: Submission): Promise<Reply> {
  const goAhead = await dialog.command(CommandLine.data());
  if (goAhead.code !== 354) return goAhead;
  const stuffer = new DotStuffer();
  const send = async (octets: Buffer): Promise<void> => {
    const pieces: Buffer[] = [];
    stuffer.write(octets, (piece) => pieces.push(piece));
    await dialog.content(pieces.length > 16 ? [Buffer.concat(pieces)] : pieces);
  };
  await send(start);
  for await (const octets of draft.rest()) {
    if (dialog.hasReply) return dialog.reply();
    await send(octets);
  }
  if (dialog.hasReply) return dialog.reply();
  await dialog.content([stuffer.end()]);
  try {
    return await dialog.reply();
  } catch (error) {
    if (!(error instanceof SendmailError)) throw error;
    const text = `${error.message} after the whole message; it may have been delivered`;
    throw new SendmailError(error.exitCode, text, { cause: error });
  }
}

function mailParameters(mail: Submission, offered: Capabilities): readonly string[] {
  const { sender, recipients } = mail.envelope;
  const parameters: string[] = [];
  if (mail.isEightBit && offered.has('8BITMIME')) parameters.push('BODY=8BITMIME');
  // Asked for although it may not be offered: before its first hop the relay does not know whether its upstream can.
  if (![sender, ...recipients].every(isAsciiText)) parameters.push('SMTPUTF8');
  if (!offered.has('DSN')) return parameters;
  if (mail.returned !== undefined) parameters.push(`RET=${mail.returned}`);
  if (mail.envelopeId !== undefined) parameters.push(`ENVID=${xtext(mail.envelopeId)}`);
  return parameters;
}

function isAsciiText(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

/** RFC 3461 §4. */
function xtext(text: string): string {
  const octets = [...Buffer.from(text)];
  return octets.map((octet) => (isPlainXtext(octet) ? String.fromCharCode(octet) : hex(octet))).join('');
}

function isPlainXtext(octet: number): boolean {
  return octet > 0x20 && octet < 0x7f && octet !== 0x2b && octet !== 0x3d;
}

function hex(octet: number): string {
  return `+${octet.toString(16).toUpperCase().padStart(2, '0')}`;
}

function refusedAltogether(recipients: readonly string[], reply: Reply): Outcome {
  return { refusals: recipients.map((recipient) => ({ recipient, reply, refused: 'message' })), later: [] };
}

function refusedSession(reply: Reply): SendmailError {
  const code = reply.code < 500 ? SYSEXITS.temporaryFailure : exitCodeOf(reply, 'message');
  return new SendmailError(code, `the relay takes no mail from here: ${replyText(reply)}`);
}
