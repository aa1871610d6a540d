/**
 * Variables about how much of the relay one client may have, and how slowly it may go.
 */
import type { ClientLimitOptions, Limit } from '../listener/client-limits.ts';
import type { PaceOptions } from '../listener/session-pace.ts';
import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

/** For clients beyond loopback, where the operator says nothing. */
const OF_ONE_ADDRESS = 200;
const MESSAGES = 3_000;
const RECIPIENTS = 30_000;

export const LIMIT_VARIABLES = {
  maxClients: withDefault(
    'SEALPOST_CLIENT_MAX',
    '20000',
    { form: 'number', meaning: 'Clients at once; one more gets 421 4.3.2.' },
    (variable) => variable.asCount(1),
  ),
  maxClientsOfOne: optional(
    'SEALPOST_CLIENT_MAX_PER_ADDRESS',
    {
      form: 'number',
      meaning: `Clients at once from one address, or one IPv6 /64 (default: ${OF_ONE_ADDRESS}; no limit on loopback, whose programs share an address); each of several workers counts for itself.`,
    },
    (variable) => variable.asCount(1),
  ),
  maxMessages: optional(
    'SEALPOST_CLIENT_MESSAGES_PER_MINUTE',
    {
      form: 'number',
      meaning: `Messages that one user may send in a minute, or one address where clients do not log in; one more gets 451 4.7.1 and the time to wait (default: ${MESSAGES}; no limit on loopback).`,
    },
    (variable) => variable.asCount(1),
  ),
  maxRecipients: optional(
    'SEALPOST_CLIENT_RECIPIENTS_PER_MINUTE',
    { form: 'number', meaning: `The same for recipients (default: ${RECIPIENTS}; no limit on loopback).` },
    (variable) => variable.asCount(1),
  ),
  leastDataRate: withDefault(
    'SEALPOST_CLIENT_MIN_DATA_RATE',
    '100',
    {
      form: 'octets a second',
      meaning:
        'A client that sends its message more slowly, in the mean over five minutes or more that the relay waited for it, is cut off with 421 4.4.2.',
    },
    (variable) => variable.asCount(0),
  ),
  longestTransactionMs: withDefault(
    'SEALPOST_CLIENT_TRANSACTION_TIMEOUT',
    '3600',
    { form: 'seconds', meaning: 'How long a client may take from MAIL to the end of the message.' },
    (variable) => variable.asSeconds(),
  ),
} as const;

export function readLimits(container: Container): Pick<Values, keyof typeof LIMIT_VARIABLES> {
  return {
    maxClients: LIMIT_VARIABLES.maxClients.read(container),
    maxClientsOfOne: LIMIT_VARIABLES.maxClientsOfOne.read(container),
    maxMessages: LIMIT_VARIABLES.maxMessages.read(container),
    maxRecipients: LIMIT_VARIABLES.maxRecipients.read(container),
    leastDataRate: LIMIT_VARIABLES.leastDataRate.read(container),
    longestTransactionMs: LIMIT_VARIABLES.longestTransactionMs.read(container),
  };
}

export function clientLimitsOf(values: Values): ClientLimitOptions {
  return {
    clients: values.maxClients,
    clientsOfOne: limitOf(values.maxClientsOfOne, OF_ONE_ADDRESS),
    messages: limitOf(values.maxMessages, MESSAGES),
    recipients: limitOf(values.maxRecipients, RECIPIENTS),
  };
}

export function paceOf({ leastDataRate: leastRate, longestTransactionMs }: Values): PaceOptions {
  return { leastRate, longestTransactionMs };
}

/** What an operator says holds for everybody. */
function limitOf(said: number | undefined, remote: number): Limit {
  return said === undefined ? { remote, loopback: Infinity } : { remote: said, loopback: said };
}
