/**
 * The log: typed events in, one line each on standard output.
 *
 * Guarantees: an event whose level is off and that nobody observes costs two comparisons; observers hear of every event,
 * whatever the level, a moment later; a reader of standard output that goes away stops nobody; JSON escapes every control
 * character, so that no field can make a second line.
 */
import { createLogger, format, transports } from 'winston';

import { Audience } from './audience.ts';
import { describeError } from './describe-error.ts';
import { LEVELS, type EventName, type Events, type Level } from './events.ts';
import type { Observer } from './observer.ts';
import { timestamp } from './timestamp.ts';

export type LogFormat = 'json' | 'pretty';

/** What the rooms get: they name an event and give its fields. */
export interface Log {
  emit<E extends EventName>(event: E, fields: Events[E]): void;
}

/** What its owner has. */
export interface ObservedLog extends Log {
  /** Events that somebody hears of. */
  readonly watched: readonly EventName[];
  /** Hears of all events from now on, a moment later. */
  observe(observer: Observer): void;
  /** Lets observers hear at once of all that has happened. */
  settle(): void;
  /** Tells observers alone: the line is written elsewhere. */
  pass<E extends EventName>(event: E, fields: Events[E]): void;
}

const RANK: { readonly [L in Level]: number } = { error: 0, warn: 1, info: 2, debug: 3, never: 4 };

/** A log that writes to standard output. */
export function openLog(level: Level, lineFormat: LogFormat): ObservedLog {
  const write = lineWriter(level, lineFormat);
  const audience = new Audience((error) => write('internal.error', describeError(error)));
  return {
    get watched() {
      return audience.watched;
    },
    observe: (observer) => audience.add(observer),
    settle: () => audience.settle(),
    pass: (event, fields) => audience.take(event, fields),
    emit(event, fields) {
      audience.take(event, fields);
      write(event, fields);
    },
  };
}

function lineWriter(level: Level, lineFormat: LogFormat): (event: EventName, fields: object) => void {
  // Standard output may be a pipe whose reader has left; a relay does not stop relaying for that.
  process.stdout.on('error', () => undefined);
  const logger = createLogger({
    levels: RANK,
    level,
    format: format.printf(({ message }) => String(message)),
    transports: [new transports.Console({ forceConsole: false })],
  });
  const line = lineFormat === 'json' ? jsonLine : prettyLine;
  return (event, fields) => {
    const eventLevel = LEVELS[event];
    if (RANK[eventLevel] <= RANK[level]) logger.log(eventLevel, line(eventLevel, event, fields));
  };
}

function jsonLine(level: Level, event: EventName, fields: object): string {
  return JSON.stringify({ time: timestamp(), level, event, ...fields });
}

function prettyLine(level: Level, event: EventName, fields: object): string {
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [timestamp(), level.toUpperCase().padEnd(5), event, ...rest].join(' ');
}
