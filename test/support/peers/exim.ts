/**
 * Exim as a submission server: implicit TLS and required STARTTLS, AUTH PLAIN and LOGIN, delivery to a Maildir; if
 * wished CRAM-MD5, and EXTERNAL for clients with a certificate.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';

import type { Identity } from '../pki.ts';
import { unpacked } from './cache.ts';
import { Daemon } from './daemon.ts';
import { Maildir } from './maildir.ts';
import { freePorts, PASSWORD, WorkDirectory, type Peer } from './peer.ts';

export interface EximPeer extends Peer {
  /** Names the authenticator and the identity of each message. */
  readonly logFile: string;
}

export interface EximWish {
  readonly cramMd5?: boolean;
  /** Path of the PEM authority that issues client certificates: EXTERNAL is offered to those who show one. */
  readonly clientAuthority?: string;
}

/** Must be started by root; Exim itself runs as its own user from the first instruction. */
export async function startExim(identity: Identity, wish: EximWish = {}): Promise<EximPeer> {
  await using started = new AsyncDisposableStack();
  const work = started.use(new WorkDirectory('exim'));
  const [submissionsPort, submissionPort] = await freePorts(2);
  if (submissionsPort === undefined || submissionPort === undefined) throw new Error('no free ports');
  const uid = idOf('-u');
  const gid = idOf('-g');
  const maildir = started.use(new Maildir(work.directory('mail'), uid));
  work.directory('spool', uid);
  work.directory('log', uid);
  // Exim executes itself for each delivery, as a user who need not be able to reach the cache directory.
  copyFileSync(unpacked('exim4-daemon-light', 'usr/sbin/exim4'), work.at('exim'));
  work.file('users', `alice: ${PASSWORD}\n`);
  const configuration = work.file(
    'exim.conf',
    mainSection(work, identity, uid, [submissionsPort, submissionPort]) +
      clientCertificates(work, wish) +
      deliverySections(work) +
      authenticators(work, wish),
  );
  started.use(
    await Daemon.start({
      command: work.at('exim'),
      args: ['-C', configuration, '-bdf', '-q1h', '-d-all+acl'],
      ready: /daemon started/,
      uid,
      gid,
    }),
  );
  const running = started.move();
  const dispose = async (): Promise<void> => running.disposeAsync();
  return {
    user: 'alice',
    password: PASSWORD,
    submissionsPort,
    submissionPort,
    maildir,
    logFile: work.at('log/mainlog'),
    [Symbol.asyncDispose]: dispose,
  };
}

function idOf(option: '-u' | '-g'): number {
  return Number(execFileSync('id', [option, 'Debian-exim'], { encoding: 'utf8' }));
}

function mainSection(
  work: WorkDirectory,
  identity: Identity,
  owner: number,
  ports: readonly [number, number],
): string {
  const { keyFile, certFile } = work.identity(identity, owner);
  return `exim_path = ${work.at('exim')}
primary_hostname = exim.test
spool_directory = ${work.at('spool')}
log_file_path = ${work.at('log')}/%slog
pid_file_path = ${work.at('log')}/exim.pid
keep_environment =
deliver_drop_privilege = true
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${ports.join(' : ')}
tls_on_connect_ports = ${ports[0]}
tls_advertise_hosts = *
tls_certificate = ${certFile}
tls_privatekey = ${keyFile}
auth_advertise_hosts = \${if def:tls_in_cipher {*}{}}
acl_smtp_rcpt = check_recipient
acl_smtp_data = check_message
accept_8bitmime = true
# Above what the relay lets through.
message_size_limit = 60M
`;
}

function deliverySections(work: WorkDirectory): string {
  return `begin acl
check_recipient:
  deny !authenticated = *
       message = authentication required
  deny !recipients = b@y.test : c@y.test : d@y.test
       message = no such mailbox here
  accept
check_message:
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = ${work.at('mail')}
  maildir_format
  user = Debian-exim
`;
}

function clientCertificates(work: WorkDirectory, { clientAuthority }: EximWish): string {
  if (clientAuthority === undefined) return '';
  const authority = work.file('tls/clients.pem', readFileSync(clientAuthority, 'utf8'));
  return `tls_verify_certificates = ${authority}
tls_try_verify_hosts = *
`;
}

function authenticators(work: WorkDirectory, wish: EximWish): string {
  const passwordOf = (user: string): string => `\${lookup{${user}}lsearch{${work.at('users')}}}`;
  const cramMd5 = `cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${passwordOf('$auth1')}
  server_set_id = $auth1
`;
  const external = `external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = $tls_in_certificate_verified
  server_param2 = \${certextract{subject,CN}{$tls_in_peercert}}
  server_condition = \${if or{{eq{$auth1}{}}{eq{$auth1}{$auth2}}}}
  server_set_id = $auth2
`;
  return `begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = \${if eq{$auth3}{${passwordOf('$auth2')}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if eq{$auth2}{${passwordOf('$auth1')}}}
  server_set_id = $auth1
${wish.cramMd5 === true ? cramMd5 : ''}${wish.clientAuthority === undefined ? '' : external}`;
}
