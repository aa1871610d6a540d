/**
 * nginx's stream module as a TLS pipe; it resumes TLS sessions by default.
 */
import { PIPE_CLIENTS, startIn, versionPrinted, type Peer, type PeerPlace } from './peer.ts';

export const nginx: Peer = {
  name: 'nginx',
  title: 'nginx stream, a TLS pipe',
  way: 'pipe',
  packages: ['nginx', 'libnginx-mod-stream'],
  idleClients: PIPE_CLIENTS,
  prepare: async () => Promise.resolve(versionPrinted('nginx', '-v')),
  start: async (place: PeerPlace) => {
    const file = place.work.file('nginx.conf', configuration(place));
    return startIn(place, 'nginx', ['-c', file, '-p', place.work.path, '-e', place.work.at('error.log')]);
  },
};

function configuration({ work, upstream, port }: PeerPlace): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
worker_processes auto;
pid ${work.at('nginx.pid')};
error_log ${work.at('error.log')};
events {
  worker_connections 9000;
}
stream {
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_pass ${upstream.address}:${upstream.port};
    proxy_ssl on;
    proxy_ssl_verify on;
    proxy_ssl_trusted_certificate ${upstream.caFile};
    proxy_ssl_name ${upstream.serverName};
  }
}
`;
}
