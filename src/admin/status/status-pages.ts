/**
 * The status page: its files, and the stream that fills them.
 */
import type { ObservedLog } from '../../log/log.ts';
import type { Pages } from '../page.ts';
import { pageFiles } from './page-files.ts';
import type { Status } from './status.ts';
import { StatusStream, type Depth } from './status-stream.ts';

/** @param measure asked while somebody looks */
export function statusPages(status: Status, measure: () => Promise<Depth>, log: ObservedLog): Pages {
  const stream = new StatusStream(status, measure, log);
  const events = async () => Promise.resolve(stream.add.bind(stream));
  return new Map([...pageFiles(), ['/events', events]]);
}
