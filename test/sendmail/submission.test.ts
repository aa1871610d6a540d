/**
 * `sealpost-sendmail` in front of the relay: what reaches the upstream, what the caller is told.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { freePorts } from '../support/peers/peer.ts';
import { answering, mailCommands, RelayTestBed } from '../support/relay-test-bed.ts';
import type { Scene } from '../support/relay-test-bed.ts';
import { SendmailCommand } from '../support/sendmail-command.ts';

const MESSAGE = 'From: A <a@x.test>\nTo: b@y.test\nSubject: s\n\nHello\n';

let bed: RelayTestBed;
let command: SendmailCommand;

before(async () => {
  bed = await RelayTestBed.start();
  command = new SendmailCommand(bed.relay.port());
});
after(async () => {
  command[Symbol.dispose]();
  await bed.stop();
});

/** Without what the relay puts in front, with LF. */
function contentOf(scene: Scene, index = 0): string {
  const text = scene.messages[index]?.content.toString().replaceAll('\r\n', '\n') ?? '';
  return text.replace(/^(?:Received|Date|Message-ID):.*\n(?:[ \t].*\n)*/gim, '');
}

/** What one run needs at most, when what it has thrown away is collected soon. */
async function memoryOctets(args: readonly string[], input: string | Buffer): Promise<number> {
  const report = `
    import { setFlagsFromString } from 'node:v8';
    import { runInNewContext } from 'node:vm';
    setFlagsFromString('--expose-gc');
    setInterval(runInNewContext('gc'), 10).unref();
    process.on('exit', () => process.stderr.write(String(process.resourceUsage().maxRSS)));`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}` };
  const { code, stderr } = await command.sendmail(args, { input, env });
  assert.equal(code, 0, stderr);
  return Number(stderr) * 1024;
}

describe('a message', () => {
  test('arrives as it is, from the user at this host to the recipient named', async () => {
    const scene = bed.begin();
    const run = await command.sendmail(['b@y.test'], { input: MESSAGE });
    assert.deepEqual(run, { code: 0, stdout: '', stderr: '' });
    const [mail, ...rest] = mailCommands(scene);
    assert.match(mail ?? '', /^MAIL FROM:<[^@>]+@host\.example\.test>/);
    assert.deepEqual(rest, ['RCPT TO:<b@y.test>', 'DATA']);
    assert.equal(contentOf(scene), MESSAGE);
  });

  test('arrives with the relay’s Date and Message-ID when it has none', async () => {
    const scene = bed.begin();
    await command.sendmail(['b@y.test'], { input: 'Hello\n' });
    const text = scene.messages[0]?.content.toString() ?? '';
    assert.match(text, /^Date: /m);
    assert.match(text, /^Message-ID: /im);
    assert.match(contentOf(scene), /^From: \S+@host\.example\.test\n\nHello\n$/);
  });

  test('goes to the header’s recipients with -t, without its Bcc', async () => {
    const scene = bed.begin();
    const input =
      'From: a@x.test\nTo: G: "x, y@z.test" <b@y.test>;\nBcc: c@y.test,\n d@y.test\nSubject: s\n\nHello\n';
    const run = await command.sendmail(['-t', '-fa@x.test'], { input });
    assert.equal(run.code, 0, run.stderr);
    assert.deepEqual(mailCommands(scene), [
      'MAIL FROM:<a@x.test>',
      'RCPT TO:<b@y.test>',
      'RCPT TO:<c@y.test>',
      'RCPT TO:<d@y.test>',
      'DATA',
    ]);
    assert.equal(contentOf(scene), 'From: a@x.test\nTo: G: "x, y@z.test" <b@y.test>;\nSubject: s\n\nHello\n');
  });

  test('has a null sender with an empty -f', async () => {
    const scene = bed.begin();
    await command.sendmail(['-f', '', 'b@y.test'], { input: MESSAGE });
    assert.equal(mailCommands(scene)[0], 'MAIL FROM:<>');
  });

  test('is declared 8-bit only when it is, and asks SMTPUTF8 only for an address that needs it', async () => {
    const scene = bed.begin();
    await command.sendmail(['-B8BITMIME', '-fa@x.test', 'b@y.test'], { input: `${MESSAGE}Grüße\n` });
    await command.sendmail(['-B8BITMIME', '-fa@x.test', 'b@y.test'], { input: MESSAGE });
    await command.sendmail(['-fa@x.test', 'jürgen@y.test'], { input: MESSAGE });
    const mails = scene.commands.filter((line) => line.startsWith('MAIL'));
    assert.match(mails[0] ?? '', /^MAIL FROM:<a@x\.test>(?=.* BODY=8BITMIME)(?!.*SMTPUTF8)/);
    assert.match(mails[1] ?? '', /^MAIL FROM:<a@x\.test>(?!.*8BITMIME)/);
    assert.match(mails[2] ?? '', /^MAIL FROM:<a@x\.test>(?=.* SMTPUTF8)/);
    // The scripted upstream shows octets.
    assert.ok(scene.commands.includes(Buffer.from('RCPT TO:<jürgen@y.test>').toString('latin1')));
  });

  test('carries what is asked about notifications', async () => {
    await bed.delivers(); // after one hop the relay knows that its upstream can do it
    const scene = bed.begin();
    const args = ['-N', 'success,failure', '-R', 'hdrs', '-V', 'a+b=ü', '-fa@x.test', 'b@y.test'];
    assert.equal((await command.sendmail(args, { input: MESSAGE })).code, 0);
    assert.match(mailCommands(scene)[0] ?? '', / RET=HDRS ENVID=a\+2Bb\+3D\+C3\+BC$/);
    assert.equal(mailCommands(scene)[1], 'RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE');
  });

  test('ends with a lone dot, and with -i only with the pipe', async () => {
    const scene = bed.begin();
    const input = `${MESSAGE}.\nmore\n..\n.x\n`;
    await command.sendmail(['b@y.test'], { input });
    await command.sendmail(['-i', 'b@y.test'], { input });
    assert.equal(contentOf(scene, 0), MESSAGE);
    assert.equal(contentOf(scene, 1), input);
  });

  test('of 40 MiB arrives whole, and no more of it than a part is in memory', async () => {
    const scene = bed.begin();
    const input = Buffer.from(MESSAGE + `${'0123456789'.repeat(7)}\n`.repeat(40 * 14_768));
    const small = await memoryOctets(['b@y.test'], MESSAGE);
    const large = await memoryOctets(['-i', 'b@y.test'], input);
    assert.ok(contentOf(scene, 1) === input.toString());
    assert.ok(large - small < input.length / 2, `${small} octets for a small one, ${large} for this`);
  });

  test('that a program writes slowly holds no session of the upstream', async () => {
    const scene = bed.begin();
    const child = spawn(command.path, ['b@y.test'], {
      env: command.env,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const exited = once(child, 'exit');
    child.stdin.write('Subject: first\n\nfirst line\n');
    // Another one, from its start to its end, in the meantime.
    assert.equal((await command.sendmail(['c@y.test'], { input: MESSAGE })).code, 0);
    assert.equal(mailCommands(scene).filter((line) => line.startsWith('MAIL')).length, 1);
    child.stdin.end('last line\n');
    await exited;
    assert.equal(child.exitCode, 0);
    assert.match(contentOf(scene, 1), /first line\nlast line\n$/);
  });
});

describe('a refusal', () => {
  /** What the upstream answers to whom, the exit code, and what is told. */
  const refusals: readonly (readonly [string, string, string, number])[] = [
    ['RCPT', '550 5.1.1 No such user', '<b@y.test> was refused: 550 5.1.1 No such user', 67],
    ['RCPT', '550 No such user', '<b@y.test> was refused: 550 No such user', 67],
    ['RCPT', '550 5.7.1 Not from you', '<b@y.test> was refused: 550 5.7.1 Not from you', 77],
    ['RCPT', '552 5.2.2 Mailbox full', '<b@y.test> was refused: 552 5.2.2 Mailbox full', 69],
    ['RCPT', '451 4.7.1 Greylisted', '<b@y.test> was refused: 451 4.7.1 Greylisted', 75],
    ['DATA', '554 5.6.0 Not a message', 'the message was refused: 554 5.6.0 Not a message', 65],
    ['DATA', '554 No', 'the message was refused: 554 No', 69],
    ['DATA', '452 4.3.1 Disk full', 'the message was refused: 452 4.3.1 Disk full', 75],
  ];
  for (const [verb, reply, told, code] of refusals) {
    test(`of ${verb} with "${reply}" is told in the upstream’s words and ends with ${code}`, async () => {
      bed.begin(answering({ [verb]: reply }));
      const run = await command.sendmail(['b@y.test'], { input: MESSAGE });
      assert.deepEqual(run, { code, stdout: '', stderr: `sealpost-sendmail: ${told}\n` });
    });
  }

  test('of the sender shows as the refusal of the message', async () => {
    bed.begin(answering({ MAIL: '550 5.7.60 Not permitted to send as this sender' }));
    const run = await command.sendmail(['-fa@x.test', 'b@y.test'], { input: MESSAGE });
    assert.equal(run.code, 77);
    assert.match(run.stderr, /was refused: 550 5\.7\.60 Not permitted/);
  });

  test('after the content ends with its code', async () => {
    bed.begin({ verdict: () => '554 5.7.1 Looks like spam\r\n' });
    const run = await command.sendmail(['b@y.test', 'c@y.test'], { input: MESSAGE });
    const stderr = 'sealpost-sendmail: the message was refused: 554 5.7.1 Looks like spam\n';
    assert.deepEqual(run, { code: 77, stdout: '', stderr });
  });

  test('of one recipient does not keep the message from the others', async () => {
    const scene = bed.begin({
      answer: (line) => (line.includes('<c@') ? '550 5.1.1 No such user\r\n' : undefined),
    });
    const run = await command.sendmail(['b@y.test', 'c@y.test', 'd@y.test'], { input: MESSAGE });
    assert.equal(run.code, 67);
    const told = ['<c@y.test> was refused: 550 5.1.1 No such user', '2 of 3 recipients have got the message'];
    assert.equal(run.stderr, told.map((line) => `sealpost-sendmail: ${line}\n`).join(''));
    assert.deepEqual(scene.messages[0]?.rcpts.length, 2);
  });

  test('of a recipient with 452 behind another one means: send it next', async () => {
    let asked = 0;
    const scene = bed.begin({
      answer: (line) => {
        if (line.startsWith('MAIL')) asked = 0;
        if (!line.startsWith('RCPT')) return undefined;
        asked += 1;
        return asked > 2 ? '452 4.5.3 Too many recipients\r\n' : undefined;
      },
    });
    const to = ['b@y.test', 'c@y.test', 'd@y.test', 'e@y.test', 'f@y.test'];
    const big = `${MESSAGE}${'a line of text\n'.repeat(100_000)}`;
    const run = await command.sendmail(to, { input: big });
    assert.deepEqual(run, { code: 0, stdout: '', stderr: '' });
    assert.deepEqual(
      scene.messages.map(({ rcpts }) => rcpts.length),
      [2, 2, 1],
    );
    for (const index of [0, 1, 2]) assert.ok(contentOf(scene, index) === big);
  });
});

describe('the relay', () => {
  test('that does not run is named, with 75', async () => {
    const address = `127.0.0.1:${(await freePorts(1))[0]}`;
    const run = await command.sendmail(['b@y.test'], { input: MESSAGE, env: { SEALPOST_LISTEN: address } });
    assert.equal(run.code, 75);
    const text = `the relay at ${address} does not answer (ECONNREFUSED); is \`sealpost serve\` running?`;
    assert.equal(run.stderr, `sealpost-sendmail: ${text}\n`);
  });

  test('is the first of SEALPOST_LISTEN that loopback reaches', async () => {
    for (const listen of [
      `192.0.2.1:25, 127.0.0.1:${bed.relay.port()}`,
      `0.0.0.0:${bed.relay.port()}`,
      `localhost:${bed.relay.port()}`,
    ]) {
      const run = await command.sendmail(['b@y.test'], { input: MESSAGE, env: { SEALPOST_LISTEN: listen } });
      assert.equal(run.code, 0, run.stderr);
    }
  });

  for (const listen of ['192.0.2.1:25', 'relay.example.test:2525', '127.0.0.1:0', 'nonsense']) {
    test(`at ${listen} is a mistake of configuration: nothing leaves the machine in clear text`, async () => {
      const run = await command.sendmail(['b@y.test'], { input: MESSAGE, env: { SEALPOST_LISTEN: listen } });
      assert.equal(run.code, 78);
      assert.match(run.stderr, /^sealpost-sendmail: SEALPOST_LISTEN should .*\n$/);
    });
  }

  for (const [what, serve, told] of [
    ['closes after the greeting', '220 hello\r\n', /the relay ended the connection/],
    ['is no SMTP server', 'HTTP/1.1 400 Bad Request\r\n\r\n', /no SMTP server/],
    ['refuses with 421', '421 4.3.2 Later\r\n', /takes no mail from here: 421 4\.3\.2 Later/],
  ] as const) {
    test(`that ${what} ends with 75`, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => undefined);
        socket.end(serve);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      assert.ok(typeof address === 'object' && address !== null);
      const env = { SEALPOST_LISTEN: `127.0.0.1:${address.port}` };
      const run = await command.sendmail(['b@y.test'], { input: MESSAGE, env });
      server.close();
      assert.equal(run.code, 75);
      assert.match(run.stderr, told);
    });
  }
});

describe('nothing is sent', () => {
  test('when a recipient cannot be read, and the caller is told which field it is', async () => {
    const scene = bed.begin();
    const input = 'To: b@y.test, "open <c@y.test>\n\nHello\n';
    const run = await command.sendmail(['-t'], { input });
    assert.equal(run.code, 65);
    assert.match(run.stderr, /^sealpost-sendmail: the field to cannot be read: /);
    assert.deepEqual(mailCommands(scene), []);
  });

  test('when the header is larger than a mebibyte', async () => {
    const run = await command.sendmail(['b@y.test'], { input: `X-Long: ${'x'.repeat(1_100_000)}\n\n` });
    assert.equal(run.code, 65);
  });

  test('for a mistake on the command line', async () => {
    assert.equal((await command.sendmail([], { input: MESSAGE })).code, 64);
    assert.equal((await command.sendmail(['-bd'], { input: MESSAGE })).code, 64);
  });
});

describe('other uses', () => {
  test('-bs carries an SMTP session both ways', async () => {
    const scene = bed.begin();
    const dialog = [
      'EHLO app',
      'MAIL FROM:<a@x.test>',
      'RCPT TO:<b@y.test>',
      'DATA',
      'Subject: s',
      '',
      'Hi',
      '.',
      'QUIT',
      '',
    ];
    const run = await command.sendmail(['-bs'], { input: dialog.join('\r\n') });
    assert.equal(run.code, 0);
    assert.match(run.stdout, /^220 [^]*\r\n250 2\.0\.0 Queued as 4711\r\n221 [^\r\n]*\r\n$/);
    assert.equal(scene.messages.length, 1);
  });

  test('-bp and -q tell that nothing is kept, -bi does nothing', async () => {
    for (const option of ['-bp', '-q']) {
      const run = await command.sendmail([option]);
      assert.equal(run.code, 0);
      assert.match(run.stdout, /nothing is kept here/);
    }
    assert.deepEqual(await command.sendmail(['-bi']), { code: 0, stdout: '', stderr: '' });
  });

  test('-v shows the dialog without the content', async () => {
    bed.begin();
    const { stderr } = await command.sendmail(['-v', 'b@y.test'], { input: `${MESSAGE}not to be shown\n` });
    assert.match(stderr, />>> RCPT TO:<b@y\.test>\n.*<<< 250 /);
    assert.ok(!stderr.includes('not to be shown'));
  });

  test('--help tells the options', async () => {
    assert.match((await command.sendmail(['--help'])).stdout, /^Usage: sealpost-sendmail /);
  });
});
