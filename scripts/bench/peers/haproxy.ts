/**
 * HAProxy in TCP mode as a TLS pipe.
 */
import { PIPE_CLIENTS, startIn, versionPrinted, type Peer, type PeerPlace } from './peer.ts';

export const haproxy: Peer = {
  name: 'haproxy',
  title: 'haproxy, a TLS pipe',
  way: 'pipe',
  packages: ['haproxy'],
  idleClients: PIPE_CLIENTS,
  prepare: async () => Promise.resolve(versionPrinted('haproxy', '-v')),
  start: async (place: PeerPlace) =>
    startIn(place, 'haproxy', ['-db', '-f', place.work.file('haproxy.cfg', configuration(place))]),
};

function configuration({ upstream, port }: PeerPlace): string {
  const verified = `ssl verify required ca-file ${upstream.caFile} verifyhost ${upstream.serverName}`;
  return `global
  maxconn 4000
defaults
  mode tcp
  timeout connect 30s
  timeout client 300s
  timeout server 300s
frontend smtp
  bind 127.0.0.1:${port} backlog 4096
  default_backend submission
backend submission
  server sink ${upstream.address}:${upstream.port} ${verified} sni str(${upstream.serverName})
`;
}
