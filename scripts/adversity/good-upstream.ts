/**
 * An upstream that takes everything, in a process of its own, so that it takes no time from who measures. Tells its port
 * and the file of its authority as one line of JSON; ends with its standard input.
 */
import { once } from 'node:events';

import { TestAuthority } from '../../test/support/pki.ts';
import { FlappingUpstream } from './flapping-upstream.ts';

const authority = new TestAuthority();
const upstream = await FlappingUpstream.start(authority.issue(), { deliver: () => undefined });
process.stdout.write(`${JSON.stringify({ port: upstream.port, caFile: authority.caFile })}\n`);
await once(process.stdin.resume(), 'end');
authority.remove();
process.exit();
