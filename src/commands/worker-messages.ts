/**
 * What the primary and its workers say to each other.
 *
 * Does not: carry settings or secrets; a worker reads its own (worker.ts).
 */
import type { Health } from '../admin/health.ts';
import type { ListenFailure, ListeningAddress } from './relay.ts';

/** From the primary to a worker. */
export type Order =
  /** `worker`: its number, from 1. */
  | { readonly kind: 'start'; readonly worker: number }
  | { readonly kind: 'tell-health'; readonly id: number; readonly mayProbe: boolean }
  | { readonly kind: 'stop' };

/** From a worker to the primary. */
export type Report =
  /** It can be told things. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'started'; readonly addresses: readonly ListeningAddress[] }
  | { readonly kind: 'not-started'; readonly failures: readonly ListenFailure[] }
  /** `health`: undefined when it is not known without a probe. */
  | { readonly kind: 'health'; readonly id: number; readonly health?: Health | undefined }
  | { readonly kind: 'stopped'; readonly forced: number };

const ORDERS: readonly string[] = ['start', 'tell-health', 'stop'] satisfies readonly Order['kind'][];
const REPORTS: readonly string[] = [
  'ready',
  'started',
  'not-started',
  'health',
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
