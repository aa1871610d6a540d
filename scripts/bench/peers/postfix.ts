/**
 * Postfix as a null client: everything to a relay host over verified TLS, after its queue.
 */
import { execFileSync } from 'node:child_process';

import { MASTER_SERVICES } from '../../../test/support/peers/postfix.ts';
import { startIn, versionPrinted, type Peer, type PeerPlace } from './peer.ts';

/** A process for each client, 100 at most, some of them for other work. */
const IDLE_CLIENTS = 0;

export const postfix: Peer = {
  name: 'postfix',
  title: 'Postfix null client',
  way: 'queue',
  packages: ['postfix'],
  idleClients: IDLE_CLIENTS,
  prepare: async () => Promise.resolve(versionPrinted('postconf', '-d', 'mail_version')),
  start: async (place: PeerPlace) => {
    const { work } = place;
    const user = Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' }));
    work.directory('queue');
    work.directory('data', user);
    work.file('etc/main.cf', mainConfiguration(place));
    work.file('etc/master.cf', masterConfiguration(place));
    const etc = work.at('etc');
    execFileSync('postfix', ['-c', etc, 'check'], { stdio: 'pipe' }); // makes the queue's directories
    const programs = execFileSync('postconf', ['-c', etc, '-h', 'daemon_directory'], { encoding: 'utf8' });
    return startIn(place, `${programs.trim()}/master`, ['-c', etc, '-d']);
  },
};

function mainConfiguration({ work, upstream }: PeerPlace): string {
  return `compatibility_level = 3.6
queue_directory = ${work.at('queue')}
data_directory = ${work.at('data')}
mail_owner = postfix
maillog_file = ${work.at('mail.log')}
maillog_file_prefixes = ${work.path}
inet_interfaces = loopback-only
inet_protocols = ipv4
# Connections may start at loopback and end at another address.
smtp_bind_address = 0.0.0.0
myhostname = postfix.sealpost.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
relayhost = [${upstream.address}]:${upstream.port}
smtp_tls_wrappermode = yes
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = ${upstream.serverName}
smtp_tls_CAfile = ${upstream.caFile}
message_size_limit = 60000000
`;
}

function masterConfiguration({ port }: PeerPlace): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
${MASTER_SERVICES}pickup unix n - n 60 1 pickup
smtp unix - - n - - smtp
relay unix - - n - - smtp
local unix - n n - - local
`;
}
