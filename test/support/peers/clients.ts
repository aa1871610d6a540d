/**
 * Programs nobody here wrote, each told to submit one message in plain SMTP.
 *
 * They are called the way their users call them; what they are given is in `Errand`.
 */
export interface Errand {
  /** Where the relay listens. */
  readonly port: number;
  /** Path of a whole message with CRLF, and of the same with LF. */
  readonly crlfFile: string;
  readonly lfFile: string;
  /** Path of its body alone, with LF. */
  readonly bodyFile: string;
}

export interface Client {
  readonly name: string;
  /** Whether it passes on a whole message or writes the header itself. */
  readonly keeps: 'message' | 'body';
  /** What it puts below the message by itself. */
  readonly appends?: string;
  /** The program and its arguments. */
  readonly command: (errand: Errand) => readonly string[];
  /** The file for its standard input. */
  readonly input?: (errand: Errand) => string;
}

const FROM = 'a@x.test';
const TO = 'b@y.test';
const HOST = '127.0.0.1';

const PYTHON = `
import smtplib, sys
port, path, login = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
with smtplib.SMTP('${HOST}', port) as smtp:
    if login: smtp.login('device', 'any password')
    refused = smtp.sendmail('${FROM}', ['${TO}'], open(path, 'rb').read(), ['BODY=8BITMIME'])
    assert refused == {}, refused
`;

const PERL = `
my ($port, $path, $login) = @ARGV;
my $smtp = Net::SMTP->new('${HOST}', Port => $port) or die "no connection: $@";
sub ok { $_[0] or die $smtp->code . ' ' . $smtp->message }
ok($smtp->auth('device', 'any password')) if $login;
ok($smtp->mail('${FROM}'));
ok($smtp->to('${TO}'));
ok($smtp->data());
open(my $message, '<', $path) or die $!;
while (my $line = <$message>) { ok($smtp->datasend($line)) }
ok($smtp->dataend());
ok($smtp->quit());
`;

/** As in many an old application: HELO, one reply read per command, no look at extensions. */
const PHP_SOCKET = `
[, $port, $path] = $argv;
$socket = fsockopen('${HOST}', (int) $port);
function step($socket, $line, $code) {
  if ($line !== null) fwrite($socket, $line . "\\r\\n");
  $reply = fgets($socket, 512);
  if (strncmp($reply, $code, 3) !== 0) { fwrite(STDERR, $line . ' got ' . $reply); exit(1); }
}
step($socket, null, '220');
step($socket, 'HELO device', '250');
step($socket, 'MAIL FROM: <${FROM}>', '250');
step($socket, 'RCPT TO: <${TO}>', '250');
step($socket, 'DATA', '354');
$message = preg_replace('/^\\./m', '..', file_get_contents($path));
step($socket, $message . '.', '250');
step($socket, 'QUIT', '221');
`;

const PHP_MAIL = `
$headers = "From: ${FROM}\\r\\nContent-Type: text/plain; charset=utf-8";
exit(mail('${TO}', 'PHP mail()', file_get_contents($argv[1]), $headers) ? 0 : 1);
`;

const NODEMAILER = `
import { createTransport } from 'nodemailer';
const [port, path, login] = process.argv.slice(1);
const auth = login === undefined ? {} : { auth: { user: 'device', pass: 'any password' } };
const transport = createTransport({ host: '${HOST}', port: Number(port), ...auth });
const { rejected } = await transport.sendMail({
  envelope: { from: '${FROM}', to: ['${TO}'], use8BitMime: true },
  raw: { path },
});
transport.close();
if (rejected.length > 0) throw new Error('refused');
`;

const msmtp = (port: number): string =>
  `msmtp --file=/dev/null --host=${HOST} --port=${port} --tls=off --from=${FROM}`;
const swaks = (port: number, path: string): readonly string[] =>
  words`swaks --server ${HOST} --port ${port} --from ${FROM} --to ${TO} --data @${path}`;
const curl = (port: number, path: string): readonly string[] =>
  words`curl -sS smtp://${HOST}:${port}/device.test --mail-from ${FROM} --mail-rcpt ${TO} -T ${path}`;
const nodemailer = (port: number, path: string): readonly string[] =>
  words`${process.execPath} --input-type=module --eval ${NODEMAILER} ${port} ${path}`;
const python = (port: number, path: string): readonly string[] => words`python3 -c ${PYTHON} ${port} ${path}`;
const perl = (port: number, path: string): readonly string[] =>
  words`perl -MNet::SMTP -e ${PERL} ${port} ${path}`;

/** Without credentials. */
export const CLIENTS: readonly Client[] = [
  { name: 'curl', keeps: 'message', command: ({ port, crlfFile }) => curl(port, crlfFile) },
  {
    // It sends them as they are, stuffs no dots after them and then misses a final CRLF.
    name: 'curl with a file of bare LF',
    keeps: 'message',
    appends: '\n',
    command: ({ port, lfFile }) => curl(port, lfFile),
  },
  { name: 'swaks', keeps: 'message', appends: '\n', command: ({ port, crlfFile }) => swaks(port, crlfFile) },
  {
    name: 'msmtp',
    keeps: 'message',
    command: ({ port }) => [...msmtp(port).split(' '), TO],
    input: ({ lfFile }) => lfFile,
  },
  {
    name: 's-nail',
    keeps: 'body',
    command: ({ port }) => words`s-nail -:/ -S v15-compat -S mta=smtp://${HOST}:${port} -S smtp-auth=none
      -S ttycharset=utf-8 -S mime-encoding=8bit -S from=${FROM} -s s-nail ${TO}`,
    input: ({ bodyFile }) => bodyFile,
  },
  {
    name: 'mutt',
    keeps: 'body',
    command: ({
      port,
    }) => words`mutt -n -F /dev/null -e ${`set smtp_url=smtp://${HOST}:${port} ssl_force_tls=no ssl_starttls=no`}
      -e ${`set from=${FROM} use_envelope_from charset=utf-8 send_charset=utf-8 allow_8bit`} -e ${'unset record'} -s mutt ${TO}`,
    input: ({ bodyFile }) => bodyFile,
  },
  {
    name: 'git send-email',
    keeps: 'body',
    command: ({
      port,
      lfFile,
    }) => words`git send-email --quiet --confirm=never --suppress-cc=all --no-validate
      --8bit-encoding=UTF-8 --transfer-encoding=8bit --smtp-domain=device.test --smtp-server=${HOST}
      --smtp-server-port=${port} --from=${FROM} --to=${TO} ${lfFile}`,
  },
  { name: 'Python smtplib', keeps: 'message', command: ({ port, crlfFile }) => python(port, crlfFile) },
  { name: 'Perl Net::SMTP', keeps: 'message', command: ({ port, lfFile }) => perl(port, lfFile) },
  {
    name: 'a PHP script with a socket of its own',
    keeps: 'message',
    command: ({ port, crlfFile }) => words`php -r ${PHP_SOCKET} -- ${port} ${crlfFile}`,
  },
  {
    name: 'PHP mail()',
    keeps: 'body',
    appends: '\n',
    command: ({ port, bodyFile }) =>
      words`php -d ${`sendmail_path="${msmtp(port)} -t"`} -r ${PHP_MAIL} -- ${bodyFile}`,
  },
  { name: 'nodemailer', keeps: 'message', command: ({ port, crlfFile }) => nodemailer(port, crlfFile) },
];

/** That insist on AUTH: each gives a name and a password of its own. */
export const CLIENTS_WITH_CREDENTIALS: readonly Client[] = [
  {
    name: 'swaks with AUTH LOGIN',
    keeps: 'message',
    appends: '\n',
    command: ({ port, crlfFile }) => [
      ...swaks(port, crlfFile),
      ...words`--auth LOGIN --auth-user device --auth-password ${'any password'}`,
    ],
  },
  {
    name: 'swaks with AUTH PLAIN',
    keeps: 'message',
    appends: '\n',
    command: ({ port, crlfFile }) => [
      ...swaks(port, crlfFile),
      ...words`--auth PLAIN --auth-user device --auth-password ${'any password'}`,
    ],
  },
  {
    name: 'Python login()',
    keeps: 'message',
    command: ({ port, crlfFile }) => [...python(port, crlfFile), 'login'],
  },
  { name: 'Perl auth()', keeps: 'message', command: ({ port, lfFile }) => [...perl(port, lfFile), 'login'] },
  {
    name: 'curl --user',
    keeps: 'message',
    command: ({ port, crlfFile }) => [...curl(port, crlfFile), '--user', 'device:any password'],
  },
  {
    name: 'nodemailer with auth',
    keeps: 'message',
    command: ({ port, crlfFile }) => [...nodemailer(port, crlfFile), 'login'],
  },
];

/** A command line as words: split at white space as written, never inside what is put in. */
function words(parts: TemplateStringsArray, ...values: readonly (string | number)[]): readonly string[] {
  const rest = [...values];
  const word = (text: string): string => text.replaceAll('\0', () => String(rest.shift()));
  return parts.join('\0').split(/\s+/).map(word);
}
