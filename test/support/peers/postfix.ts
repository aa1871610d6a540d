/**
 * Postfix as a submission server: implicit TLS and required STARTTLS, SASL through Dovecot, delivery to a Maildir.
 */
import { execFileSync } from 'node:child_process';

import type { Identity } from '../pki.ts';
import { Daemon } from './daemon.ts';
import { Maildir } from './maildir.ts';
import { freePorts, NOBODY, PASSWORD, WorkDirectory, type Peer } from './peer.ts';

export interface PostfixPeer extends Peer {
  /** Where Postfix logs; it names the SASL mechanism of each message. */
  readonly logFile: string;
}

/**
 * Must be started by root, as Postfix always must.
 *
 * @param mechanisms that Dovecot is to offer, in its words
 */
export async function startPostfix(identity: Identity, mechanisms = 'plain login'): Promise<PostfixPeer> {
  await using started = new AsyncDisposableStack();
  const work = started.use(new WorkDirectory('postfix'));
  const [submissionsPort, submissionPort] = await freePorts(2);
  if (submissionsPort === undefined || submissionPort === undefined) throw new Error('no free ports');
  const maildir = started.use(new Maildir(work.directory('mail'), NOBODY));

  const postfixUser = Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' }));
  work.directory('queue');
  work.directory('queue/private', postfixUser);
  work.directory('data', postfixUser);
  work.file('etc/main.cf', mainConfiguration(work, identity));
  work.file('etc/master.cf', masterConfiguration(submissionsPort, submissionPort));
  work.file('etc/mailboxes', 'b@y.test mail/\nc@y.test mail/\nd@y.test mail/\n');

  started.use(await startDovecot(work, mechanisms));
  started.use(await startMaster(work));
  const running = started.move();
  const user = 'alice';
  const dispose = async (): Promise<void> => running.disposeAsync();
  return {
    user,
    password: PASSWORD,
    submissionsPort,
    submissionPort,
    maildir,
    logFile: work.at('mail.log'),
    [Symbol.asyncDispose]: dispose,
  };
}

async function startMaster(work: WorkDirectory): Promise<Daemon> {
  const etc = work.at('etc');
  execFileSync('postfix', ['-c', etc, 'check'], { stdio: 'pipe' }); // makes the queue's directories
  const programs = execFileSync('postconf', ['-c', etc, '-h', 'daemon_directory'], {
    encoding: 'utf8',
  }).trim();
  return Daemon.start({
    command: `${programs}/master`,
    args: ['-c', etc, '-d'], // stays in the foreground and stays our child, unlike with `postfix start`
    ready: /daemon started/,
    logFile: work.at('mail.log'),
  });
}

/** Only its authentication is used. */
async function startDovecot(work: WorkDirectory, mechanisms: string): Promise<Daemon> {
  work.file(
    'dovecot/users',
    `alice:{PLAIN.b64}${Buffer.from(PASSWORD).toString('base64')}:${NOBODY}:${NOBODY}::/nonexistent\n`,
  );
  const configuration = work.file(
    'dovecot/dovecot.conf',
    `base_dir = ${work.directory('dovecot/run')}
state_dir = ${work.directory('dovecot/state')}
log_path = /dev/stderr
protocols =
ssl = no
auth_mechanisms = ${mechanisms}
disable_plaintext_auth = no
# A wrong password is answered at once: what is tested is the answer.
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
passdb {
  driver = passwd-file
  args = username_format=%n ${work.at('dovecot/users')}
}
userdb {
  driver = passwd-file
  args = username_format=%n ${work.at('dovecot/users')}
}
service auth {
  unix_listener ${work.at('queue/private/auth')} {
    mode = 0660
    user = postfix
    group = postfix
  }
}
`,
  );
  return Daemon.start({ command: 'dovecot', args: ['-F', '-c', configuration], ready: /starting up/ });
}

function mainConfiguration(work: WorkDirectory, identity: Identity): string {
  const { keyFile, certFile } = work.identity(identity);
  return `compatibility_level = 3.6
queue_directory = ${work.at('queue')}
data_directory = ${work.at('data')}
mail_owner = postfix
maillog_file = ${work.at('mail.log')}
maillog_file_prefixes = ${work.path}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
mynetworks =
alias_maps =
alias_database =
default_transport = discard:
virtual_mailbox_domains = y.test
virtual_mailbox_base = ${work.path}
virtual_mailbox_maps = texthash:${work.at('etc/mailboxes')}
virtual_uid_maps = static:${NOBODY}
virtual_gid_maps = static:${NOBODY}
virtual_minimum_uid = ${NOBODY}
# Above what the relay lets through.
message_size_limit = 60000000
virtual_mailbox_limit = 0
# What arrives is compared octet for octet: no header is to be completed or rewritten here.
local_header_rewrite_clients =
smtpd_tls_key_file = ${keyFile}
smtpd_tls_cert_file = ${certFile}
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_client_connection_count_limit = 0
smtputf8_enable = yes
`;
}

/** What a Postfix needs besides its listeners, as master.cf has it. */
export const MASTER_SERVICES = `postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`;

function masterConfiguration(submissionsPort: number, submissionPort: number): string {
  const submission =
    'inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_security_level=encrypt' +
    ' -o smtpd_client_restrictions=permit_sasl_authenticated,reject';
  return `127.0.0.1:${submissionsPort} ${submission} -o smtpd_tls_wrappermode=yes
127.0.0.1:${submissionPort} ${submission}
${MASTER_SERVICES}`;
}
