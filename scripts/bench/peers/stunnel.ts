/**
 * stunnel as a TLS pipe.
 */
import { PIPE_CLIENTS, startIn, versionPrinted, type Peer, type PeerPlace } from './peer.ts';

export const stunnel: Peer = {
  name: 'stunnel',
  title: 'stunnel, a TLS pipe',
  way: 'pipe',
  packages: ['stunnel4'],
  idleClients: PIPE_CLIENTS,
  prepare: async () =>
    Promise.resolve(versionPrinted('sh', '-c', 'stunnel -version 2>&1 | grep -m1 "^stunnel"')),
  start: async (place: PeerPlace) =>
    startIn(place, 'stunnel', [place.work.file('stunnel.conf', configuration(place))]),
};

function configuration({ upstream, port }: PeerPlace): string {
  return `foreground = yes
pid =
debug = err
[smtp]
client = yes
accept = 127.0.0.1:${port}
connect = ${upstream.address}:${upstream.port}
sni = ${upstream.serverName}
verifyChain = yes
CAfile = ${upstream.caFile}
checkHost = ${upstream.serverName}
`;
}
