/**
 * Haraka with its smtp_proxy queue: answers with the upstream's verdict. Its 3.x has no pool of upstream connections.
 */
import { MANY_CLIENTS, startIn, type Peer, type PeerPlace } from './peer.ts';
import { installPackages, installedVersion } from './npm-package.ts';

const PACKAGE = 'Haraka';
/** Its newest version, and that of all it depends on, at this day: the same program in every run. */
const AS_OF = '2026-06-01';

/** Its own file but for the size: it does not fill in what is missing. */
const CONNECTION = `[main]
[haproxy]
hosts[] =
[headers]
max_lines=1000
max_received=100
[max]
bytes=60000000
mime_parts=1000
line_length=512
data_line_length=992
[message]
helo=Haraka is at your service.
close=closing connection. Have a jolly good day.
[uuid]
banner_chars=6
deny_chars=0
`;

export const haraka: Peer = {
  name: 'haraka',
  title: 'Haraka smtp_proxy',
  way: 'relay',
  packages: [],
  idleClients: MANY_CLIENTS,
  prepare: async (work) => {
    await installPackages(work, AS_OF, PACKAGE, 'haraka-plugin-relay');
    return installedVersion(work, PACKAGE);
  },
  start: async (place: PeerPlace) => {
    const { work, upstream, port, prepared } = place;
    work.file('config/smtp.ini', `listen=127.0.0.1:${port}\n`);
    work.file('config/me', 'haraka.sealpost.test\n');
    work.file('config/plugins', 'relay\nqueue/smtp_proxy\n');
    work.file('config/relay.ini', '[relay]\nacl=true\n');
    work.file('config/relay_acl_allow', '127.0.0.0/8\n');
    work.file('config/loglevel', 'warn\n');
    work.file('config/connection.ini', CONNECTION);
    const host = `host=${upstream.address}\nport=${upstream.starttlsPort}\nenable_tls=true\n`;
    work.file('config/smtp_proxy.ini', `${host}[tls]\nrejectUnauthorized=true\n`);
    const program = prepared.at(`node_modules/${PACKAGE}/bin/haraka`);
    return startIn(place, process.execPath, [program, '-c', work.path], {
      NODE_ENV: 'production',
      NODE_EXTRA_CA_CERTS: upstream.caFile,
    });
  },
};
