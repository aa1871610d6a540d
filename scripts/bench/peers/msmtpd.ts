/**
 * msmtpd: pipes each message to msmtp, which delivers it and ends.
 */
import { startIn, versionPrinted, type Peer, type PeerPlace } from './peer.ts';
import { unpackPackage } from './debian-package.ts';

/** A process for each client. */
const IDLE_CLIENTS = 0;

export const msmtpd: Peer = {
  name: 'msmtpd',
  title: 'msmtpd',
  way: 'relay',
  packages: ['msmtp'],
  idleClients: IDLE_CLIENTS,
  prepare: async (work) => {
    await unpackPackage(work, 'msmtp-mta'); // installed, it would remove Postfix
    return versionPrinted('msmtp', '--version');
  },
  start: async (place: PeerPlace) => {
    const { work, prepared, port } = place;
    const file = work.file('msmtprc', configuration(place));
    const command = `/usr/bin/msmtp -C ${file} -f %F --`;
    return startIn(place, prepared.at('usr/bin/msmtpd'), [
      '--interface=127.0.0.1',
      `--port=${port}`,
      `--command=${command}`,
    ]);
  },
};

function configuration({ upstream }: PeerPlace): string {
  return `account default
host ${upstream.address}
port ${upstream.port}
tls on
tls_starttls off
tls_trust_file ${upstream.caFile}
tls_host_override ${upstream.serverName}
auth off
`;
}
