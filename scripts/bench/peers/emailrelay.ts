/**
 * E-MailRelay as a proxy. Not every Debian has the package; where it is missing, the run says so.
 */
import { startIn, versionPrinted, type Peer, type PeerPlace } from './peer.ts';
import { unpackPackage } from './debian-package.ts';

export const emailrelay: Peer = {
  name: 'emailrelay',
  title: 'E-MailRelay',
  way: 'relay',
  packages: [],
  idleClients: 1_000,
  prepare: async (work) => {
    await unpackPackage(work, 'emailrelay');
    return versionPrinted(work.at('usr/sbin/emailrelay'), '--version');
  },
  start: async (place: PeerPlace) => {
    const { work, prepared, upstream, port } = place;
    const forwarding = `--as-proxy=${upstream.address}:${upstream.port}`;
    return startIn(place, prepared.at('usr/sbin/emailrelay'), [
      forwarding,
      '--no-daemon',
      '--no-syslog',
      '--interface=127.0.0.1',
      `--port=${port}`,
      `--spool-dir=${work.directory('spool')}`,
      '--client-tls-connection',
      `--client-tls-verify=${upstream.caFile}`,
      `--client-tls-verify-name=${upstream.serverName}`,
    ]);
  },
};
