/**
 * Who hears of events as they happen: metrics, the audit trail, reports. Each handler gets the fields of its event, and
 * returns at once.
 */
import { EVENT_NAMES, type EventName, type Events } from './events.ts';

export type Observer = { readonly [E in EventName]?: (fields: Events[E]) => void };

/** An event on its way to another process. */
export interface Happening {
  readonly event: EventName;
  readonly fields: Events[EventName];
}

/** Those that these hear of. */
export function watchedBy(observers: readonly Observer[]): readonly EventName[] {
  const names = observers.flatMap((observer) => Object.keys(observer));
  return EVENT_NAMES.filter((name) => names.includes(name));
}
