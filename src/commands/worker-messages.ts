/**
 * What the primary and its workers say to each other.
 *
 * Does not: carry settings or secrets; a worker reads its own (worker.ts).
 */
import type { Health } from '../admin/health.ts';
import type { Problem } from '../config/environment.ts';
import type { Happening } from '../log/observer.ts';
import type { EventName } from '../log/events.ts';
import type { RelayMeasures } from '../metrics/process-measures.ts';
import type { ListenFailure, ListeningAddress } from './relay.ts';

/** From the primary to a worker. */
export type Order =
  /** `worker`: its number, from 1. `watched`: the events that the primary is to hear of. */
  | { readonly kind: 'start'; readonly worker: number; readonly watched: readonly EventName[] }
  | { readonly kind: 'stop' }
  | (Question & Numbered);

/** What is answered. */
export type Question =
  | { readonly kind: 'tell-health'; readonly mayProbe: boolean }
  | { readonly kind: 'measure' }
  /** Reads the configuration anew, and changes nothing yet. */
  | { readonly kind: 'prepare' }
  /** Takes what it has prepared. */
  | { readonly kind: 'take' };

export type Answer =
  /** `health`: undefined when it is not known without a probe. */
  | { readonly kind: 'health'; readonly health?: Health | undefined }
  | { readonly kind: 'measured'; readonly measures: RelayMeasures }
  /** None when all is well. */
  | { readonly kind: 'prepared'; readonly problems: readonly Problem[] }
  | { readonly kind: 'taken' };

/** By which a question finds its answer. */
export interface Numbered {
  readonly id: number;
}

/** From a worker to the primary. */
export type Report =
  /** It can be told things. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'started'; readonly addresses: readonly ListeningAddress[] }
  | { readonly kind: 'not-started'; readonly failures: readonly ListenFailure[] }
  | (Answer & Numbered)
  /** What happened, in that order. */
  | { readonly kind: 'happened'; readonly events: readonly Happening[] }
  | { readonly kind: 'stopped'; readonly forced: number };

const ORDERS: readonly string[] = [
  'start',
  'stop',
  'tell-health',
  'measure',
  'prepare',
  'take',
] satisfies readonly Order['kind'][];
const REPORTS: readonly string[] = [
  'ready',
  'started',
  'not-started',
  'health',
  'measured',
  'happened',
  'prepared',
  'taken',
  'stopped',
] satisfies readonly Report['kind'][];

/** Both ends are the same program: the kind tells the rest. */
export function isOrder(message: unknown): message is Order {
  return ORDERS.includes(kindOf(message));
}

export function isReport(message: unknown): message is Report {
  return REPORTS.includes(kindOf(message));
}

function kindOf(message: unknown): string {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return '';
  return typeof message.kind === 'string' ? message.kind : '';
}
