/**
 * The command line of sendmail: single letters, as getopt(3) reads them without permutation.
 *
 * Guarantees: an option that would change what is sent is obeyed or refused; those without a meaning here, because
 * there is no queue, no alias database and no configuration file, are accepted and ignored.
 */
import { SendmailError, SYSEXITS } from './exit-code.ts';

export type Mode = 'deliver' | 'smtp' | 'mailq' | 'newaliases' | 'help' | 'version';

export interface Options {
  mode: Mode;
  /** As given with -f or -r, possibly empty. */
  sender?: string;
  fullName?: string;
  /** Whether a line with nothing but a dot ends the message. */
  dotEnds: boolean;
  readsHeader: boolean;
  isVerbose: boolean;
  /** For the NOTIFY parameter (RFC 3461 §4.1). */
  notify?: string;
  /** For RET (RFC 3461 §4.3). */
  returned?: string;
  /** For ENVID (RFC 3461 §4.4), not yet encoded. */
  envelopeId?: string;
  /** Arguments, each an address list. */
  recipients: readonly string[];
}

/** Letters with an argument, in the same word or the next one. */
const WITH_ARGUMENT = 'ABCDFLMNOQRVXbefhopr';
/** Letters whose argument, if any, is in the same word. */
const WITH_ATTACHED = 'dq';
const ALONE = 'GIUcimnstvx';

const MODES: Readonly<Record<string, Mode>> = { m: 'deliver', s: 'smtp', p: 'mailq', i: 'newaliases' };
/** Names under which sendmail is called, by symbolic links. */
const PROGRAMS: Readonly<Record<string, Mode>> = { mailq: 'mailq', newaliases: 'newaliases' };

/**
 * @param program last part of the path it was called by
 * @throws {SendmailError} EX_USAGE
 */
export function parseOptions(words: readonly string[], program = 'sendmail'): Options {
  const options: Options = {
    mode: PROGRAMS[program] ?? 'deliver',
    dotEnds: true,
    readsHeader: false,
    isVerbose: false,
    recipients: [],
  };
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--') break;
    if (word === '--help') return { ...options, mode: 'help' };
    if (word === '--version') return { ...options, mode: 'version' };
    if (!/^-./s.test(word)) {
      rest.unshift(word);
      refuseLateOptions(rest);
      break;
    }
    takeWord(word.slice(1), rest, options);
  }
  options.recipients = rest;
  return options;
}

/** Other sendmails take these for recipients; an option forgotten behind an address would vanish without a word. */
function refuseLateOptions(words: readonly string[]): void {
  const late = words.find((word) => /^-./s.test(word));
  if (late !== undefined)
    throw usage(`${late} stands behind a recipient; options come first, or -- before an address`);
}

/** One word of letters: `-ti`, `-oi`, `-fa@x`. */
function takeWord(letters: string, rest: string[], options: Options): void {
  for (let at = 0; at < letters.length; at += 1) {
    const letter = letters.charAt(at);
    const attached = letters.slice(at + 1);
    if (WITH_ARGUMENT.includes(letter)) {
      const argument = attached === '' ? rest.shift() : attached;
      if (argument === undefined) throw usage(`-${letter} needs an argument`);
      return takeWithArgument(letter, argument, options);
    }
    if (WITH_ATTACHED.includes(letter)) {
      if (letter === 'q') options.mode = 'mailq'; // to run a queue that is always empty
      return;
    }
    if (!ALONE.includes(letter)) throw usage(`-${letter} is no option of sendmail`);
    takeAlone(letter, options);
  }
}

function takeAlone(letter: string, options: Options): void {
  if (letter === 'i') options.dotEnds = false;
  if (letter === 't') options.readsHeader = true;
  if (letter === 'v') options.isVerbose = true;
  if (letter === 'I') options.mode = 'newaliases';
}

function takeWithArgument(letter: string, argument: string, options: Options): void {
  switch (letter) {
    case 'f':
    case 'r':
      options.sender = argument;
      break;
    case 'F':
      options.fullName = argument;
      break;
    case 'b':
      options.mode = modeOf(argument);
      break;
    case 'o':
      if (argument === 'i') options.dotEnds = false;
      break;
    case 'O':
      if (/^IgnoreDots(?:$|=[^fn])/i.test(argument)) options.dotEnds = false;
      break;
    case 'N':
      options.notify = notifyOf(argument);
      break;
    case 'R':
      if (!/^(?:full|hdrs)$/i.test(argument)) throw usage('-R is full or hdrs');
      options.returned = argument.toUpperCase();
      break;
    case 'V':
      options.envelopeId = argument;
      break;
  }
}

function modeOf(letter: string): Mode {
  const mode = MODES[letter];
  if (mode === undefined)
    throw usage(`-b${letter} is not possible: this is no mail server; see sealpost serve`);
  return mode;
}

function notifyOf(text: string): string {
  const words = text.split(',').map((word) => word.trim().toUpperCase());
  const isNever = words.length === 1 && words[0] === 'NEVER';
  if (!isNever && !words.every((word) => ['SUCCESS', 'FAILURE', 'DELAY'].includes(word)))
    throw usage('-N is never, or a list of success, failure and delay');
  return words.join(',');
}

function usage(text: string): SendmailError {
  return new SendmailError(SYSEXITS.usage, `${text} (sealpost-sendmail --help tells more)`);
}
