/**
 * An upstream that takes everything, in a process of its own, so that it takes no time from who measures, and can stand in
 * another network: `good-upstream.ts [ADDRESS]`. Tells its port and the file of its authority as one line of JSON, then a
 * line for each recipient that it has a message for; ends with its standard input.
 */
import { once } from 'node:events';

import { TestAuthority } from '../../test/support/pki.ts';
import { FlappingUpstream } from './flapping-upstream.ts';

const authority = new TestAuthority();
const receipts = {
  deliver: (recipient: string): void => void process.stdout.write(`${recipient}\n`),
  giveBack: (): void => undefined,
};
const upstream = await FlappingUpstream.start(authority.issue(), receipts, process.argv[2]);
process.stdout.write(`${JSON.stringify({ port: upstream.port, caFile: authority.caFile })}\n`);
await once(process.stdin.resume(), 'end');
authority.remove();
process.exit();
