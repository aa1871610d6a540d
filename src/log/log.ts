/**
 * The log: typed events in, one line each on standard output.
 *
 * Guarantees: an event whose level is off costs one comparison; a reader of standard output that goes away stops
 * nobody; JSON escapes every control character, so that no field can make a second line.
 */
import { createLogger, format, transports } from 'winston';

import { LEVELS, type EventName, type Events, type Level } from './events.ts';

export type LogFormat = 'json' | 'pretty';

/** What the rooms get: they name an event and give its fields. */
export interface Log {
  emit<E extends EventName>(event: E, fields: Events[E]): void;
}

const RANK: { readonly [L in Level]: number } = { error: 0, warn: 1, info: 2, debug: 3 };

/** A log that writes to standard output. */
export function openLog(level: Level, lineFormat: LogFormat): Log {
  // Standard output may be a pipe whose reader has left; a relay does not stop relaying for that.
  process.stdout.on('error', () => undefined);
  const logger = createLogger({
    levels: RANK,
    level,
    format: format.printf(({ message }) => String(message)),
    transports: [new transports.Console({ forceConsole: false })],
  });
  const line = lineFormat === 'json' ? jsonLine : prettyLine;
  return {
    emit(event, fields) {
      const eventLevel = LEVELS[event];
      if (RANK[eventLevel] > RANK[level]) return;
      logger.log(eventLevel, line(eventLevel, event, fields));
    },
  };
}

function jsonLine(level: Level, event: EventName, fields: object): string {
  return JSON.stringify({ time: new Date().toISOString(), level, event, ...fields });
}

function prettyLine(level: Level, event: EventName, fields: object): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [new Date().toISOString(), level.toUpperCase().padEnd(5), event, ...rest].join(' ');
}
