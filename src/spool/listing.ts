/**
 * All messages in the order of arrival, some at a time, so that memory does not grow with their number.
 */
import { setImmediate as turn } from 'node:timers/promises';

import type { QueuedMessage } from './spool-store.ts';
import type { SpooledMessage } from './spooled-message.ts';

type Position = Pick<SpooledMessage, 'arrivedAt' | 'id'>;

const BEFORE_ALL: Position = { arrivedAt: -1, id: '' };

/** Others have their turn between two. @param pageAfter those that come next, none at the end */
export async function* pagesOf(
  pageAfter: (last: Position) => Promise<readonly QueuedMessage[]>,
): AsyncGenerator<readonly QueuedMessage[]> {
  for (let last: Position | undefined = BEFORE_ALL; last !== undefined;) {
    const page: readonly QueuedMessage[] = await pageAfter(last);
    if (page.length > 0) yield page;
    last = page.at(-1)?.message;
    await turn();
  }
}
