/**
 * A peer whose greeting, EHLO list or replies are not what SMTP allows: in clear before STARTTLS, and inside TLS by an
 * upstream that proved its name and misbehaves all the same.
 */
import { strict as assert } from 'node:assert';

import { insideTls, insideTlsFrom, slowly, withoutEnd } from '../support/hostile-answers.ts';
import {
  authenticated,
  keywords,
  sendPlainly,
  type Attack,
  type Deviation,
  type Send,
} from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { SILENCE, type Answer, type Connection } from '../support/scripted-upstream.ts';

/** Growth of the relay's memory that an endless reply may cause, octets. */
const GROWTH = 50 * 1024 * 1024;

const CHUNKING = keywords([], 'CHUNKING');

/** What is no SMTP reply, or not the right one, wherever one is awaited. */
const notReplies = [
  ['HTTP', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'],
  ['IMAP', '* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n'],
  ['POP3', '+OK ready\r\n'],
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a TLS alert', '\x15\x03\x01\x00\x02\x02\x28\r\n'],
  ['an empty line', '\r\n'],
  ['a reply behind a blank', ' 220 hello\r\n'],
  ['a code of two digits', '22 hello\r\n'],
  ['a code of four digits', '2200 hello\r\n'],
  ['a code with letters', '2x0 hello\r\n'],
  ['code 199', '199 hello\r\n'],
  ['code 600', '600 hello\r\n'],
  ['a text that touches the code', '220hello\r\n'],
  ['codes that differ between the lines of one reply', '220-hello\r\n250 STARTTLS\r\n'],
  ['a NUL in a reply', '220 hel\0lo\r\n250 STARTTLS\r\n'],
  ['a bare LF', '220 hello\n'],
  ['a bare CR', '220 hello\r250 STARTTLS\r\n'],
  ['a line of one megabyte', `220 ${'x'.repeat(1_048_576)}\r\n`],
  ['a line of one megabyte without an end', `220 ${'x'.repeat(1_048_576)}`],
  ['a reply of a thousand lines', `${'220-hello\r\n'.repeat(1000)}220 hello\r\n`],
] as const;

const endless = [
  ['a reply without end', '220-hello\r\n'],
  ['a line without end', 'hello '],
  ['an EHLO list without end', '250-STARTTLS\r\n'],
] as const;

/** The greetings and EHLO replies that are wrong on both sides of the handshake. */
function openingAttacks(isAuthenticated: boolean): readonly Attack[] {
  const common = { isAuthenticated };
  const atEhlo = (answer: Answer): Deviation => ({
    answer: (line, at) => (at.secure === isAuthenticated && line.startsWith('EHLO') ? answer : undefined),
  });
  return [
    ...notReplies.map(([what, greeting]): Attack => ({
      ...common,
      name: `refuses ${what} for a greeting`,
      script: { greeting },
      reply: '451 4.5.0',
    })),
    ...[221, 235, 250, 334, 354].map((code): Attack => ({
      ...common,
      name: `refuses a greeting with code ${code}`,
      script: { greeting: `${code} upstream.test\r\n` },
      reply: '451 4.5.0',
    })),
    ...[421, 450, 500, 501, 530, 554].map((code): Attack => ({
      ...common,
      name: `passes on the text of a greeting that refuses with ${code}`,
      script: { greeting: `${code} come back tomorrow\r\n` },
      reply: '451 4.4.1',
      also: (reply) => assert.match(reply.raw, new RegExp(`${code} come back tomorrow`)),
    })),
    ...[220, 221, 235, 334, 354].map((code): Attack => ({
      ...common,
      name: `refuses ${code} to EHLO`,
      script: atEhlo(`${code}-upstream.test\r\n${code} STARTTLS\r\n`),
      reply: '451 4.5.0',
    })),
    ...[421, 450, 500, 501, 502, 504, 530, 550].map((code): Attack => ({
      ...common,
      name: `does not go on after ${code} to EHLO`,
      script: atEhlo(`${code} no\r\n`),
      reply: '451 4.4.1',
    })),
    {
      ...common,
      name: 'refuses an FTP server, whose greeting looks like SMTP',
      script: { greeting: '220 ProFTPD Server ready.\r\n', answer: () => '500 EHLO not understood\r\n' },
      reply: '451 4.4.1',
    },
    ...endless.map(([what, piece]): Attack => ({
      ...common,
      name: `cuts off ${what} and holds no more of it`,
      script: endlessly(isAuthenticated, piece),
      reply: '451 4.5.0',
      send: sendMeasured,
    })),
  ];
}

/** An endless answer: to EHLO when it looks like an EHLO reply, else instead of the greeting. */
function endlessly(isAuthenticated: boolean, piece: string): Deviation {
  const begin = (at: Connection): typeof SILENCE => {
    withoutEnd(at, piece);
    return SILENCE;
  };
  if (piece.startsWith('250')) {
    return {
      answer: (line, at) =>
        at.secure === isAuthenticated && line.startsWith('EHLO') ? begin(at) : undefined,
    };
  }
  const greeting = { greeting: SILENCE };
  return isAuthenticated
    ? { ...greeting, onSecure: (at) => void begin(at) }
    : { ...greeting, onConnection: (at) => void begin(at) };
}

const sendMeasured: Send = async (dialog, message, stage) => {
  const before = await stage.relay.residentOctets();
  const reply = await sendPlainly(dialog, message);
  const growth = (await stage.relay.residentOctets()) - before;
  assert.ok(growth < GROWTH, `the relay grew by ${growth} octets`);
  return reply;
};

const authentication = authenticated([
  ...[421, 432, 454, 500, 501, 504, 530, 534, 535, 538, 550].map((code): Attack => ({
    name: `blames the relay's credentials, not the client's, when AUTH is answered with ${code}`,
    script: insideTls('AUTH', `${code} ${String(code)[0]}.7.0 no\r\n`),
    reply: '454 4.7.0',
  })),
  {
    name: 'keeps the password out of reply and log when the upstream echoes the AUTH line',
    script: {
      answer: (line) => (line.startsWith('AUTH') ? `535 5.7.8 bad command: ${line}\r\n` : undefined),
    },
    reply: '454 4.7.0',
    also: (reply) => assert.equal(reply.lines.length, 1),
  },
  {
    name: 'keeps the password out of reply and log when the upstream echoes a part of the AUTH line',
    script: {
      answer: (line) =>
        line.startsWith('AUTH')
          ? `535-5.7.8 ${line.slice(0, 50)}\r\n535 5.7.8 ${line.slice(50)}\r\n`
          : undefined,
    },
    reply: '454 4.7.0',
  },
  {
    name: 'gives up when the upstream asks for credentials for ever',
    script: insideTlsFrom('AUTH', '334 \r\n'),
    reply: '451 4.5.0',
  },
  ...[220, 221, 250, 354].map((code): Attack => ({
    name: `does not take ${code} for a successful AUTH`,
    script: insideTls('AUTH', `${code} 2.0.0 Ok\r\n`),
    reply: '451 4.5.0',
  })),
  {
    name: 'does not answer a first prompt for the password with the password',
    script: {
      keywords: keywords(['AUTH'], 'AUTH LOGIN'),
      answer: (line) => {
        if (line === 'AUTH LOGIN') return '334 UGFzc3dvcmQ6\r\n';
        return line === '*' ? '501 5.7.0 cancelled\r\n' : undefined;
      },
    },
    reply: '454 4.7.0',
    also: (_reply, { upstream }) => assert.equal(upstream.commands.at(-2), '*'),
  },
  {
    name: 'refuses a reply too many after AUTH',
    script: insideTls('AUTH', '235 2.7.0 Ok\r\n250 2.1.0 Sender ok\r\n'),
    reply: '451 4.5.0',
  },
]);

const transaction = authenticated([
  ...[220, 221, 235, 334, 354].map((code): Attack => ({
    name: `refuses ${code} to MAIL`,
    script: insideTls('MAIL', `${code} 2.0.0 Ok\r\n`),
    reply: '451 4.5.0',
  })),
  ...[220, 235, 334, 354].map((code): Attack => ({
    name: `refuses ${code} to RCPT`,
    script: insideTls('RCPT', `${code} 2.0.0 Ok\r\n`),
    reply: '451 4.5.0',
  })),
  ...[220, 235, 250, 251, 334].map((code): Attack => ({
    name: `refuses ${code} to DATA and sends no content`,
    script: insideTls('DATA', `${code} 2.0.0 Queued\r\n`),
    reply: '451 4.5.0',
    also: (_reply, { upstream }) => assert.ok(!upstream.secured.includes('canary-body')),
  })),
  {
    name: 'refuses two answers to MAIL',
    script: insideTls('MAIL', '250 2.1.0 Ok\r\n250 2.1.0 Ok\r\n'),
    reply: '451 4.5.0',
  },
  {
    name: 'refuses the answer to DATA before DATA was sent',
    script: insideTls('RCPT', '250 2.1.5 Ok\r\n354 Go ahead\r\n'),
    reply: '451 4.5.0',
  },
  {
    name: 'does not take a verdict that comes before the message',
    script: {
      answer: (line, at) => {
        if (line !== 'DATA') return undefined;
        at.takeData();
        return '354 Go ahead\r\n250 2.0.0 Queued\r\n';
      },
      verdict: () => SILENCE,
    },
    reply: '451 4.5.0',
  },
  {
    name: 'sends no DATA to an upstream that refused every recipient',
    script: insideTls('RCPT', '550 5.1.1 Unknown\r\n'),
    reply: '550 5.1.1',
    keepsHop: true,
    logged: 'recipient.refused',
    also: (_reply, { upstream }) => assert.ok(!upstream.commands.includes('DATA')),
  },
  ...[220, 334, 354].flatMap((code) =>
    [keywords([]), CHUNKING].map((offered): Attack => ({
      name: `does not take ${code} for a verdict on ${offered === CHUNKING ? 'BDAT LAST' : 'the final dot'}`,
      script: { keywords: offered, verdict: () => `${code} 2.0.0 Ok\r\n` },
      reply: '451 4.5.0',
      isComplete: true,
    })),
  ),
  ...[
    ['bare LF', '250 2.0.0 Queued\n'],
    ['a NUL', '250 2.0.0 Que\0ued\r\n'],
    ['differing codes', '250-2.0.0 Queued\r\n354 Go ahead\r\n'],
    ['no code', 'Queued\r\n'],
  ].map(([what, verdict = '']): Attack => ({
    name: `does not report a delivery on a verdict with ${what}`,
    script: { verdict: () => verdict },
    reply: '451 4.4.2',
    isComplete: true,
    logged: 'transaction.unknown',
  })),
]);

const closing = ['MAIL', 'RCPT', 'DATA'].map((verb): Attack => ({
  name: `does not hang up on the client when the upstream answers ${verb} with 421`,
  script: insideTlsFrom(verb, '421 4.3.2 Shutting down\r\n'),
  reply: '451 4.3.2',
  isAuthenticated: true,
}));

/** Answers to AUTH LOGIN, to the user name and to the password: `User Name` with a NUL, then an empty prompt. */
const LOGIN_STEPS = ['334 VXNlciBOYW1lAA==\r\n', '334 \r\n', '235 2.7.0 Ok\r\n'];

const twins: readonly Innocent[] = [
  { name: 'delivers after a greeting without text', script: { greeting: '220\r\n' } },
  {
    name: 'delivers after a greeting and an EHLO reply of many lines',
    script: {
      greeting: `${'220-Welcome to a talkative server\r\n'.repeat(20)}220 ready\r\n`,
      keywords: keywords([], ...Array.from({ length: 60 }, (_, index) => `X-EXTENSION-${index} a b c`)),
    },
  },
  {
    name: 'delivers with a malformed EHLO line',
    script: { keywords: keywords([], '8 BITMIME', '', '=', '*') },
  },
  { name: 'delivers by chunks', script: { keywords: CHUNKING } },
  { name: 'delivers one command at a time', script: { keywords: keywords(['PIPELINING']) } },
  {
    name: 'delivers by AUTH LOGIN with odd prompts',
    script: {
      keywords: keywords(['AUTH'], 'AUTH=LOGIN'),
      answer: (_line, at) => LOGIN_STEPS[at.commands.toReversed().indexOf('AUTH LOGIN')],
    },
  },
  {
    name: 'delivers to an upstream whose greeting comes one octet at a time',
    script: {
      greeting: SILENCE,
      onConnection: (at) => at.script.mode === 'starttls' && slowly(at, '220 ready\r\n'),
      onSecure: (at) => at.script.mode === 'implicit' && slowly(at, '220 ready\r\n'),
    },
  },
];

hostileSuite('Greetings and replies inside TLS', {
  setting: { scheme: 'smtps' },
  attacks: [...openingAttacks(true), ...authentication, ...transaction, ...closing],
  twins,
});

hostileSuite('Greetings and replies in clear', {
  setting: { scheme: 'smtp' },
  attacks: openingAttacks(false),
  twins,
});
