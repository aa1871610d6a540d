/**
 * Whether the benchmark and the relay work at all: a few hundred messages, none may be lost. Nothing is timed.
 */
import type { LoadCase } from './cases.ts';
import { deliver } from './measure.ts';
import { Stage, type PreparedPeer, type Workshop } from './stage.ts';

const MESSAGES = 100;
const LOAD: LoadCase['load'] = { sessions: 10, octets: 4_096, recipients: 2, reuse: false, pipelined: false };

/** @returns the exit code */
export async function runSmoke(
  workshop: Workshop,
  peers: readonly PreparedPeer[],
  say: (line: string) => void,
): Promise<number> {
  await using stage = await Stage.open({ name: 'smoke', chunking: true, roundTripMs: 0 }, workshop);
  for (const prepared of peers) {
    const standing = await stage.start(prepared);
    for (const reuse of [false, true]) {
      const { load } = await deliver(workshop.tools, standing, { ...LOAD, messages: MESSAGES, reuse });
      say(
        `${prepared.peer.name}: ${load.n} messages sent and delivered, connections ${reuse ? 'reused' : 'new'}`,
      );
    }
  }
  return 0;
}
