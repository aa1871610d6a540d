/**
 * Nothing in between: the client straight to the plain port of the sink, the bound of what can be measured.
 */
import { Program } from '../program.ts';
import type { Peer, PeerPlace } from './peer.ts';

export const direct: Peer = {
  name: 'direct',
  title: 'the client straight to a plain sink',
  way: 'none',
  packages: [],
  idleClients: 0,
  prepare: async () => Promise.resolve('–'),
  start: async ({ work }: PeerPlace) =>
    Program.start({
      command: 'sleep',
      args: ['infinity'],
      logFile: work.at('output.log'),
      isReady: () => true,
    }),
};
