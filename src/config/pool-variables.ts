/**
 * Variables about the hops that are kept: how many, how long, for how many messages.
 */
import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

export const POOL_VARIABLES = {
  poolMin: withDefault(
    'SEALPOST_POOL_MIN',
    '0',
    {
      form: 'number',
      meaning:
        'Hops to the first upstream that are held ready, so that even the first message after a pause pays no connection, handshake and AUTH.',
    },
    (variable) => variable.asCount(0),
  ),
  poolMax: withDefault(
    'SEALPOST_POOL_MAX',
    '1000',
    {
      form: 'number',
      meaning:
        'Hops to one upstream at once, of all relays that share a database (`SEALPOST_SPOOL`) together; set it to what your provider allows. Who finds none free waits for at most `SEALPOST_CONNECT_TIMEOUT`. An upstream that refuses one more session is given no more than it took for a while.',
    },
    (variable) => variable.asCount(1),
  ),
  poolIdleMs: withDefault(
    'SEALPOST_POOL_IDLE_TIMEOUT',
    '60',
    {
      form: 'seconds',
      meaning:
        'How long an unused hop is kept; those of `SEALPOST_POOL_MIN` are kept alive with NOOP instead.',
    },
    (variable) => variable.asSeconds(),
  ),
  poolMaxAgeMs: withDefault(
    'SEALPOST_POOL_MAX_AGE',
    '600',
    { form: 'seconds', meaning: 'How old a hop may become before another takes its place.' },
    (variable) => variable.asSeconds(),
  ),
  poolMaxMessages: withDefault(
    'SEALPOST_POOL_MAX_MESSAGES',
    '1000',
    {
      form: 'number',
      meaning: 'How many messages a hop may carry; fewer where the upstream says so (RFC 9422).',
    },
    (variable) => variable.asCount(1),
  ),
  poolMessagesPerMinute: optional(
    'SEALPOST_POOL_MESSAGES_PER_MINUTE',
    {
      form: 'number',
      meaning:
        'How many messages may begin in any minute towards one upstream, of all relays that share a database (`SEALPOST_SPOOL`) together; set it to what your provider allows (default: as many as come). Who has to wait longer than `SEALPOST_CONNECT_TIMEOUT` for a turn is told at once, and for how long (451 4.4.5); with a spool the message is kept and takes its turn.',
    },
    (variable) => variable.asCount(1),
  ),
} as const;

/** @throws the first problem */
export function readPool(container: Container): Pick<Values, keyof typeof POOL_VARIABLES> {
  return {
    poolMin: POOL_VARIABLES.poolMin.read(container),
    poolMax: POOL_VARIABLES.poolMax.read(container),
    poolIdleMs: POOL_VARIABLES.poolIdleMs.read(container),
    poolMaxAgeMs: POOL_VARIABLES.poolMaxAgeMs.read(container),
    poolMaxMessages: POOL_VARIABLES.poolMaxMessages.read(container),
    poolMessagesPerMinute: POOL_VARIABLES.poolMessagesPerMinute.read(container),
  };
}
