/**
 * Whether each system verifies its upstream at all: one that does not would do less work than the others.
 */
import { TestAuthority } from '../../test/support/pki.ts';
import { runLoad } from './load.ts';
import { Stage, type PreparedPeer, type Workshop } from './stage.ts';

const MESSAGE = { sessions: 1, messages: 1, octets: 1_024, recipients: 1, reuse: false, pipelined: false };
const PATIENCE_MS = 5_000;
/** A queue delivers later. */
const DELIVERY_MS = 1_500;

/** @returns those that delivered to an upstream whose certificate is of another authority than the one they trust */
export async function trustingPeers(
  peers: readonly PreparedPeer[],
  workshop: Workshop,
): Promise<readonly string[]> {
  using cleanup = new DisposableStack();
  const stranger = cleanup.adopt(new TestAuthority('Another CA'), (authority) => authority.remove());
  await using stage = await Stage.open({ name: 'untrusted', chunking: true, roundTripMs: 0 }, workshop);
  const trusting: string[] = [];
  for (const prepared of peers) {
    if (prepared.peer.way === 'none') continue;
    const { name } = prepared.peer;
    const standing = await stage.start(prepared, stranger.caFile);
    await runLoad(workshop.tools, standing.entry, MESSAGE, PATIENCE_MS).catch(() => undefined); // refused, we hope
    const { msgs } = await standing.sink.wait(1, DELIVERY_MS);
    if (msgs > 0) trusting.push(name);
    await standing[Symbol.asyncDispose]();
  }
  return trusting;
}
