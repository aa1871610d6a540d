/**
 * chasquid as a submission server: implicit TLS and required STARTTLS, AUTH PLAIN, delivery to a Maildir.
 */
import { execFileSync } from 'node:child_process';

import type { Identity } from '../pki.ts';
import { unpacked } from './cache.ts';
import { Daemon } from './daemon.ts';
import { Maildir } from './maildir.ts';
import { freePorts, PASSWORD, WorkDirectory, type Peer } from './peer.ts';

/** Its delivery agent: the message comes on standard input, the Maildir's path is the first argument. */
const DELIVERY_AGENT = `#!/bin/sh
set -eu
umask 077
name="$(date +%s).$$.chasquid"
cat >"$1/tmp/$name"
mv "$1/tmp/$name" "$1/new/$name"
`;

export async function startChasquid(identity: Identity): Promise<Peer> {
  await using started = new AsyncDisposableStack();
  const work = started.use(new WorkDirectory('chasquid'));
  const [submissionsPort, submissionPort, relayPort] = await freePorts(3);
  if (submissionsPort === undefined || submissionPort === undefined || relayPort === undefined)
    throw new Error('no free ports');
  const maildir = started.use(new Maildir(work.directory('mail'), process.getuid?.() ?? 0));
  const agent = work.file('deliver', DELIVERY_AGENT, 0o755);
  work.file('etc/certs/chasquid.test/fullchain.pem', identity.cert);
  work.file('etc/certs/chasquid.test/privkey.pem', identity.key, 0o600);
  work.file(
    'etc/chasquid.conf',
    `hostname: "chasquid.test"
# Above what the relay lets through.
max_data_size_mb: 60
smtp_address: "127.0.0.1:${relayPort}"
submission_address: "127.0.0.1:${submissionPort}"
submission_over_tls_address: "127.0.0.1:${submissionsPort}"
mail_delivery_agent_bin: "${agent}"
mail_delivery_agent_args: "${work.at('mail')}"
data_dir: "${work.directory('data')}"
mail_log_path: "<stderr>"
`,
  );
  const configuration = `-C=${work.at('etc')}`;
  for (const name of ['alice', 'b', 'c', 'd']) {
    const account = ['user-add', `${name}@y.test`, `--password=${PASSWORD}`];
    execFileSync(unpacked('chasquid', 'usr/bin/chasquid-util'), [configuration, ...account]);
  }
  started.use(
    await Daemon.start({
      command: unpacked('chasquid', 'usr/bin/chasquid'),
      args: [`-config_dir=${work.at('etc')}`],
      ready: new RegExp(`listening on 127\\.0\\.0\\.1:${submissionsPort}`),
    }),
  );
  const running = started.move();
  const dispose = async (): Promise<void> => running.disposeAsync();
  return {
    user: 'alice@y.test',
    password: PASSWORD,
    submissionsPort,
    submissionPort,
    maildir,
    [Symbol.asyncDispose]: dispose,
  };
}
