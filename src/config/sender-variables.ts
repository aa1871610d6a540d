/**
 * Variables about addresses: who may send as whom and to whom, what a sender is rewritten to, what the header tells.
 */
import { AddressSyntaxError, parseAddress } from '../protocol/address-list.ts';
import { isBare, parseAddressPatterns, type AddressPattern } from '../relay/address-pattern.ts';
import type { Problem } from './environment.ts';
import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

export const SENDER_VARIABLES = {
  sender: optional(
    'SEALPOST_SENDER',
    {
      form: 'address',
      meaning:
        'The address that senders are rewritten to, in the envelope and in the header From (names stay). Best one that your provider has verified.',
    },
    (variable) => ifSet(variable.asString(), checkAddress),
  ),
  senderRewrite: withDefault(
    'SEALPOST_SENDER_REWRITE',
    'never',
    {
      form: '`never`, `always` or `unless-allowed`',
      meaning:
        'When: with `unless-allowed` a sender outside `SEALPOST_ALLOWED_SENDERS` is rewritten instead of refused. The null sender `<>` of bounces stays. `always` adds a From where there is none; one that is no address list is replaced whole.',
    },
    (variable) => variable.asEnum(['never', 'always', 'unless-allowed'] as const),
  ),
  senderKeepsReplyTo: withDefault(
    'SEALPOST_SENDER_KEEP_REPLY_TO',
    'off',
    {
      form: '`on` or `off`',
      meaning: 'Keeps a From that was rewritten as Reply-To, unless the message has one.',
    },
    (variable) => variable.asSwitch(),
  ),
  allowedSenders: optional(
    'SEALPOST_ALLOWED_SENDERS',
    {
      form: '`user@domain`, `@domain`, `*.domain` or `user@`, comma-separated',
      meaning:
        'Senders that clients may use in the envelope (and, with `unless-allowed`, in From); others get 550 5.7.1. `*.domain` is what is below the domain, `user@` that name anywhere. The null sender is always allowed. All are when not set.',
    },
    (variable) => ifSet(variable.asString(), parsePatterns),
  ),
  allowedRecipients: optional(
    'SEALPOST_ALLOWED_RECIPIENTS',
    {
      form: '`user@domain`, `@domain`, `*.domain` or `user@`, comma-separated',
      meaning: 'Recipients that mail may go to; others get 550 5.7.1. All are allowed when not set.',
    },
    (variable) => ifSet(variable.asString(), parsePatterns),
  ),
  localDomain: optional(
    'SEALPOST_LOCAL_DOMAIN',
    {
      form: 'domain',
      meaning:
        'Goes behind addresses without one, in the envelope and in From: `root` becomes `root@example.com`.',
    },
    (variable) => ifSet(variable.asString(), checkDomain),
  ),
  signedMessages: withDefault(
    'SEALPOST_SIGNED_MESSAGES',
    'refuse',
    {
      form: '`refuse` or `pass`',
      meaning:
        'What happens to a message signed with DKIM, S/MIME or PGP/MIME whose From would have to be changed, which the signature does not survive: refused with 550 5.7.1, or passed with the From that it has.',
    },
    (variable) => variable.asEnum(['refuse', 'pass'] as const),
  ),
  trace: withDefault(
    'SEALPOST_TRACE',
    'client',
    {
      form: '`client` or `minimal`',
      meaning:
        'What the Received field tells about the client: its address and the name it gave itself, or nothing but that one handed the message in.',
    },
    (variable) => variable.asEnum(['client', 'minimal'] as const),
  ),
} as const;

/** @throws the first problem */
export function readSenders(container: Container): Pick<Values, keyof typeof SENDER_VARIABLES> {
  return {
    sender: SENDER_VARIABLES.sender.read(container),
    senderRewrite: SENDER_VARIABLES.senderRewrite.read(container),
    senderKeepsReplyTo: SENDER_VARIABLES.senderKeepsReplyTo.read(container),
    allowedSenders: SENDER_VARIABLES.allowedSenders.read(container),
    allowedRecipients: SENDER_VARIABLES.allowedRecipients.read(container),
    localDomain: SENDER_VARIABLES.localDomain.read(container),
    signedMessages: SENDER_VARIABLES.signedMessages.read(container),
    trace: SENDER_VARIABLES.trace.read(container),
  };
}

type SenderValues = {
  readonly [K in keyof typeof SENDER_VARIABLES]: ReturnType<(typeof SENDER_VARIABLES)[K]['read']>;
};

/** Settings that contradict each other, or would have no effect. */
export function senderFaults(values: SenderValues): readonly Problem[] {
  const { sender, senderRewrite, senderKeepsReplyTo, allowedSenders } = values;
  const problems: Problem[] = [];
  const rewriting = `SEALPOST_SENDER_REWRITE=${senderRewrite}`;
  if (senderRewrite !== 'never' && sender === undefined)
    problems.push({ variable: 'SEALPOST_SENDER', text: `is required with ${rewriting}` });
  if (senderRewrite === 'unless-allowed' && allowedSenders === undefined)
    problems.push({ variable: 'SEALPOST_ALLOWED_SENDERS', text: `is required with ${rewriting}` });
  if (senderRewrite === 'never' && sender !== undefined)
    problems.push({ variable: 'SEALPOST_SENDER', text: `has no effect with ${rewriting}` });
  if (senderRewrite === 'never' && senderKeepsReplyTo)
    problems.push({ variable: 'SEALPOST_SENDER_KEEP_REPLY_TO', text: `has no effect with ${rewriting}` });
  return problems;
}

function ifSet<T>(text: string | undefined, read: (text: string) => T): T | undefined {
  return text === undefined ? undefined : read(text);
}

/** ASCII, because one beyond it could go only to upstreams with SMTPUTF8, at the client's wish. */
function checkAddress(text: string): string {
  const form = 'should be one address, such as scanner@example.com, without a name';
  try {
    if (/^[\x21-\x7e]+$/.test(text) && parseAddress(text) === text && !isBare(text)) return text;
  } catch (error) {
    if (!(error instanceof AddressSyntaxError)) throw error;
  }
  throw new Error(form);
}

function parsePatterns(text: string): readonly AddressPattern[] {
  const patterns = parseAddressPatterns(text);
  if (patterns.length === 0) throw new Error('should have at least one address, @domain or *.domain');
  return patterns;
}

function checkDomain(text: string): string {
  const isDomain = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(text) && !text.includes('..');
  if (!isDomain || text.length > 253) throw new Error('should be a domain, such as example.com');
  return text;
}
