/**
 * `sealpost-sendmail` as the sendmail of programs that know only a pipe: what each was told arrives.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { unpacked } from '../support/peers/cache.ts';
import { answering, mailCommands, RelayTestBed, type Scene } from '../support/relay-test-bed.ts';
import { SendmailCommand } from '../support/sendmail-command.ts';

/** A message that never arrives is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };
const BODY = 'Grüße aus der Leitung\n.\n..two dots\nlast line\n';

let bed: RelayTestBed;
let command: SendmailCommand;
const started: ChildProcess[] = [];

before(async () => {
  bed = await RelayTestBed.start();
  command = new SendmailCommand(bed.relay.port());
});
after(async () => {
  for (const child of started) await stop(child);
  command[Symbol.dispose]();
  await bed.stop();
});

const PHP = `
$headers = ['From' => 'Shop <shop@x.test>', 'Cc' => 'c@y.test', 'Bcc' => 'd@y.test', 'Content-Type' => 'text/plain; charset=utf-8'];
exit(mail('"B, b" <b@y.test>', 'from PHP', file_get_contents($argv[1]), $headers, '-fbounce@x.test') ? 0 : 1);
`;

test('PHP mail() reaches To, Cc and Bcc, and shows no Bcc', LIMIT, async () => {
  const scene = bed.begin();
  await succeeds(['php', '-d', `sendmail_path=${command.path} -t -i`, '-r', PHP, '--', bodyFile()]);
  assertEnvelope(scene, 'bounce@x.test', ['b@y.test', 'c@y.test', 'd@y.test']);
  assert.match(headerOf(scene), /^To: "B, b" <b@y\.test>$/m);
  assert.doesNotMatch(headerOf(scene), /^Bcc/im);
  assert.ok(bodyOf(scene).startsWith(BODY));
});

test('PHP mail() returns false when the upstream refuses', LIMIT, async () => {
  bed.begin(answering({ RCPT: '550 5.1.1 No such user' }));
  const run = await command.run([
    'php',
    '-d',
    `sendmail_path=${command.path} -t -i`,
    '-r',
    PHP,
    '--',
    bodyFile(),
  ]);
  assert.equal(run.code, 1);
  assert.match(run.stderr, /550 5\.1\.1 No such user/);
});

const MAILX = [
  's-nail',
  '-:/',
  '-S',
  'v15-compat',
  '-S',
  'ttycharset=utf-8',
  '-S',
  'mime-encoding=8bit',
  '-S',
];

test('s-nail reaches those whom it names', LIMIT, async () => {
  const scene = bed.begin();
  const words = [
    `mta=${command.path}`,
    '-S',
    'from=a@x.test',
    '-s',
    'from s-nail',
    '-c',
    'c@y.test',
    '-b',
    'd@y.test',
  ];
  await succeeds([...MAILX, ...words, 'b@y.test'], BODY);
  assertEnvelope(scene, undefined, ['b@y.test', 'c@y.test', 'd@y.test']);
  assert.doesNotMatch(headerOf(scene), /^Bcc/im);
  assert.equal(bodyOf(scene), BODY);
});

test('s-nail -r sets the envelope sender', LIMIT, async () => {
  const scene = bed.begin();
  await succeeds([...MAILX, `mta=${command.path}`, '-r', 'a@x.test', '-s', 's', 'b@y.test'], BODY);
  assertEnvelope(scene, 'a@x.test', ['b@y.test']);
});

test('mutt reaches those whom it names', LIMIT, async () => {
  const scene = bed.begin();
  const setting = `set sendmail="${command.path} -oem -oi" from=a@x.test use_envelope_from send_charset=utf-8`;
  await succeeds(
    [
      'mutt',
      '-n',
      '-F',
      '/dev/null',
      '-e',
      setting,
      '-e',
      'set charset=utf-8 allow_8bit',
      '-e',
      'unset record',
      '-s',
      's',
      '-c',
      'c@y.test',
      'b@y.test',
    ],
    BODY,
  );
  assertEnvelope(scene, 'a@x.test', ['b@y.test', 'c@y.test']);
  assert.equal(bodyOf(scene), BODY);
});

const PATCH = `From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Ann <ann@x.test>
Date: Sun, 22 Nov 2026 09:30:00 +0000
Subject: [PATCH] change a line

---
 a | 2 +-

`;

test('git send-email delivers a patch', LIMIT, async () => {
  const scene = bed.begin();
  const patch = command.file('0001-change.patch', `${PATCH}.\n-Grüße\n+Grüsse\n`);
  const options = [
    '--quiet',
    '--confirm=never',
    '--suppress-cc=all',
    '--no-validate',
    '--8bit-encoding=UTF-8',
  ];
  const who = [
    '--from=Ann <ann@x.test>',
    '--to=List <list@y.test>',
    '--cc=c@y.test',
    '--envelope-sender=ann@x.test',
  ];
  await succeeds([
    'git',
    '-c',
    'user.name=Ann',
    '-c',
    'user.email=ann@x.test',
    '-c',
    `sendemail.smtpServer=${command.path}`,
    'send-email',
    ...options,
    '--transfer-encoding=8bit',
    ...who,
    patch,
  ]);
  assertEnvelope(scene, 'ann@x.test', ['c@y.test', 'list@y.test']);
  assert.match(bodyOf(scene), /\n\.\n-Grüße\n\+Grüsse\n$/);
});

const PERL = `
my $mail = Mail::Send->new(Subject => 'from Perl', To => 'b@y.test', Cc => 'c@y.test');
my $to = $mail->open('sendmail');
print $to "Hello\\n";
$to->close or die "not sent: $!";
`;

test('Perl Mail::Send delivers', LIMIT, async () => {
  const scene = bed.begin();
  await succeeds(['perl', '-MMail::Send', '-e', PERL], '', { PERL_MAILERS: `sendmail:${command.path}` });
  assertEnvelope(scene, undefined, ['b@y.test', 'c@y.test']);
  assert.equal(bodyOf(scene), 'Hello\n');
});

test('a script that pipes a whole message delivers it', LIMIT, async () => {
  const scene = bed.begin();
  const script = `printf 'Subject: backup\\nFrom: backup@x.test\\n\\ndone\\n' | ${command.path} -oi root@y.test`;
  await succeeds(['/bin/sh', '-c', script]);
  assertEnvelope(scene, undefined, ['root@y.test']);
  assert.equal(bodyOf(scene), 'done\n');
});

test('a script that stops reading what is told still gets its message delivered', LIMIT, async () => {
  const scene = bed.begin();
  const script = `{ printf 'Subject: s\\n\\n'; sleep 0.5; echo x; } | '${command.path}' -v b@y.test 2>&1 >/dev/null | :; '${command.path}' -bp | :`;
  const run = await command.run(['bash', '-c', `set -o pipefail; ${script}`]);
  assert.deepEqual(run, { code: 0, stdout: '', stderr: '' });
  assert.equal(scene.messages.length, 1);
});

test('cron mails the output of a job', LIMIT, async () => {
  const scene = bed.begin();
  const cron = startCron("MAILTO=admin@y.test,ops@y.test\n@reboot root printf 'disk full\\n.\\nreally\\n'\n");
  await Promise.race([bed.received(scene, 1), failureOf(cron)]);
  assertEnvelope(scene, 'root@host.example.test', ['admin@y.test', 'ops@y.test']);
  assert.match(headerOf(scene), /^From: root \(Cron Daemon\)$/m);
  assert.equal(bodyOf(scene), 'disk full\n.\nreally\n');
});

/**
 * Cron itself, with one crontab, no others, and our command as the machine's sendmail, in a mount namespace of its own.
 * To it the machine has just been started: what is due at a reboot is due at once. Variables of a crontab are for the
 * job; those of the mail come with cron itself.
 */
function startCron(crontab: string): ChildProcess {
  assert.ok(existsSync('/usr/sbin/sendmail'), 'a sendmail must be there to be replaced: run scripts/peers');
  const prepare = `set -e
mount -t tmpfs none /run
mkdir -p /etc/cron.d /var/spool/cron
mount -t tmpfs none /etc/cron.d
mount -t tmpfs none /var/spool/cron
mkdir -p /var/spool/cron/crontabs
cp "$1" /etc/cron.d/job
chmod 600 /etc/cron.d/job
mount --bind "$2" /usr/sbin/sendmail
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
exec "$3" -f`;
  const file = command.file('crontab', crontab);
  const args = ['--mount', 'sh', '-c', prepare, 'sh', file, command.path, unpacked('cron', 'usr/sbin/cron')];
  const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'pipe'], env: command.env });
  started.push(child);
  return child;
}

/** Rejects when it ends, with what it said. */
async function failureOf(child: ChildProcess): Promise<never> {
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (said += String(text)));
  await once(child, 'exit');
  throw new Error(`cron ended: ${said}`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function succeeds(
  words: readonly string[],
  input = '',
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const run = await command.run(words, { input, env });
  assert.equal(run.code, 0, run.stderr + run.stdout);
}

function bodyFile(): string {
  return command.file('body.txt', BODY);
}

/** @param sender undefined stands for the user who runs this, at this host */
function assertEnvelope(scene: Scene, sender: string | undefined, recipients: readonly string[]): void {
  assert.equal(scene.messages.length, 1);
  const [mail = '', ...rest] = mailCommands(scene);
  const from = /^MAIL FROM:<([^>]*)>/.exec(mail)?.[1] ?? '';
  if (sender === undefined) assert.match(from, /^[^@]+@host\.example\.test$/);
  else assert.equal(from, sender);
  const named = rest.flatMap((line) => /^RCPT TO:<([^>]*)>/.exec(line)?.[1] ?? []);
  assert.deepEqual(named.toSorted(), recipients);
}

function headerOf(scene: Scene): string {
  return textOf(scene).split('\n\n')[0] ?? '';
}

function bodyOf(scene: Scene): string {
  const text = textOf(scene);
  return text.slice(text.indexOf('\n\n') + 2);
}

function textOf(scene: Scene): string {
  return scene.messages[0]?.content.toString().replaceAll('\r\n', '\n') ?? '';
}
