/**
 * STARTTLS stripped, refused, answered with anything but 220, injected into, or offered where it must not be used.
 */
import { strict as assert } from 'node:assert';

import { inClear } from '../support/hostile-answers.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { keywords, type Attack, type Deviation } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { SILENCE, type Connection } from '../support/scripted-upstream.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const REFUSED = ['starttls-not-supported', /^refused-\d{3}$/] as const;
const NOT_OFFERED = ['starttls-not-supported', /^not-offered$/] as const;
const INJECTED = ['validation-failure', /^plaintext-after-starttls-reply$/] as const;
const NO_HANDSHAKE = ['validation-failure', /^(?:plaintext-after-starttls-reply|ERR_SSL_\w+)$/] as const;

const stripped: readonly Attack[] = [
  {
    name: 'refuses an upstream that does not offer STARTTLS',
    script: { clearKeywords: ['PIPELINING', 'SIZE 52428800', '8BITMIME'] },
    reply: '451 4.7.4',
    insecure: NOT_OFFERED,
  },
  {
    name: 'refuses an upstream that offers nothing',
    script: { clearKeywords: [] },
    reply: '451 4.7.4',
    insecure: NOT_OFFERED,
  },
  {
    name: 'sends no credentials to an upstream that offers AUTH instead of STARTTLS',
    script: { clearKeywords: ['AUTH PLAIN LOGIN XOAUTH2 CRAM-MD5', 'AUTH=PLAIN LOGIN'] },
    reply: '451 4.7.4',
    insecure: NOT_OFFERED,
  },
  {
    name: 'does not take a look-alike keyword for STARTTLS',
    script: { clearKeywords: ['XSTARTTLS', 'START TLS', 'STARTTLS-', 'TLS', 'AUTH STARTTLS'] },
    reply: '451 4.7.4',
    insecure: NOT_OFFERED,
  },
  {
    name: 'does not take the greeting line of the EHLO reply for a keyword',
    script: inClear('EHLO', '250 STARTTLS\r\n'),
    reply: '451 4.7.4',
    insecure: NOT_OFFERED,
  },
  {
    name: 'does not try HELO when EHLO is refused',
    script: inClear('EHLO', '502 5.5.1 HELO only\r\n'),
    reply: '451 4.4.1',
  },
  {
    name: 'refuses again and again: no number of tries leads to clear text',
    script: { clearKeywords: ['AUTH PLAIN LOGIN'] },
    reply: '451 4.7.4',
    insecure: NOT_OFFERED,
    also: async (_reply, stage) => {
      for (let attempt = 0; attempt < 5; attempt += 1) {
        using dialog = await SmtpDialog.open(stage.relay.port());
        assert.equal((await dialog.send('Subject: again\r\n\r\nagain')).code, 451);
      }
      await stage.upstream.idle(6);
      assert.match(stage.upstream.clear, /^(?:EHLO \[127\.0\.0\.1\]\r\nQUIT\r\n){6}$/);
    },
  },
];

const refused = [421, 451, 454, 500, 501, 502, 503, 504, 530, 550, 554].map((code): Attack => ({
  name: `refuses an upstream that answers STARTTLS with ${code}`,
  script: inClear('STARTTLS', `${code} ${String(code)[0]}.7.0 no\r\n`),
  reply: '451 4.7.4',
  insecure: REFUSED,
}));

const notReady = [
  ['221', '221 2.0.0 Bye\r\n'],
  ['235', '235 2.7.0 You are authenticated, go on in clear\r\n'],
  ['250', '250 2.0.0 Ok, no TLS needed\r\n'],
  ['334', '334 \r\n'],
  ['354', '354 Go ahead\r\n'],
  ['a 220 of two lines', '220-Ready\r\n220 to start TLS\r\n'],
  ['a 220 that goes on as 250', '220-Ready\r\n250 AUTH PLAIN\r\n'],
  ['a 220 that ends in a bare LF', '220 Ready\n'],
  ['a 220 with a bare CR inside', '220 Ready\r250 AUTH PLAIN\r\n'],
  ['a 220 with a NUL inside', '220 Rea\0dy\r\n'],
  ['2200', '2200 Ready\r\n'],
  ['a blank before 220', ' 220 Ready\r\n'],
  ['022', '022 Ready\r\n'],
  ['120', '120 Ready in a moment\r\n'],
  ['620', '620 Ready\r\n'],
  ['an empty line', '\r\n'],
  ['words', 'OK begin TLS\r\n'],
].map(([what, answer = '']): Attack => ({
  name: `does not start TLS on ${what}`,
  script: inClear('STARTTLS', answer),
  reply: '451 4.5.0',
}));

const EVIL = '250-upstream.test\r\n250 AUTH PLAIN LOGIN\r\n';

const injected: readonly Attack[] = [
  ...[
    ['replies', EVIL],
    ['half a line', '250-AUTH'],
    ['one octet', '2'],
    ['a line feed', '\n'],
    ['a NUL', '\0'],
    ['a TLS record of their own', '\x16\x03\x03\x00\x01\x00'],
  ].map(([what, octets = '']): Attack => ({
    name: `refuses ${what} in one segment with the 220 to STARTTLS`,
    script: atStartTls((at) => {
      at.write(`220 2.0.0 Ready\r\n${octets}`);
      at.startTls();
    }),
    reply: '451 4.7.5',
    insecure: INJECTED,
  })),
  {
    name: 'refuses replies in a segment of their own after the 220',
    script: atStartTls((at) => {
      at.write('220 2.0.0 Ready\r\n');
      setImmediate(() => at.raw.write(EVIL));
    }),
    reply: '451 4.7.5',
    insecure: NO_HANDSHAKE,
  },
  {
    name: 'refuses replies in clear instead of a ServerHello',
    script: atStartTls((at) => {
      at.write('220 2.0.0 Ready\r\n');
      at.raw.once('data', () => at.raw.write(EVIL));
    }),
    reply: '451 4.7.5',
    insecure: NO_HANDSHAKE,
  },
  {
    name: 'refuses an answer to STARTTLS that came before STARTTLS was sent',
    script: inClear('EHLO', '250-upstream.test\r\n250 STARTTLS\r\n220 2.0.0 Ready\r\n'),
    reply: '451 4.5.0',
  },
  {
    name: 'refuses an answer to EHLO that came before EHLO was sent',
    script: { greeting: '220 upstream.test\r\n250-upstream.test\r\n250 STARTTLS\r\n' },
    reply: '451 4.5.0',
  },
];

const remembered: readonly Attack[] = [
  {
    name: 'does not say AUTH inside TLS because it was offered in clear',
    script: { clearKeywords: ['STARTTLS', 'AUTH PLAIN LOGIN'], keywords: keywords(['AUTH']) },
    reply: '454 4.7.0',
    isAuthenticated: true,
    also: (_reply, { upstream }) => {
      assert.deepEqual(
        upstream.commands.filter((line) => line.startsWith('AUTH')),
        [],
      );
    },
  },
];

const twins: readonly Innocent[] = [
  {
    name: 'delivers by STARTTLS, with AUTH inside TLS only and one EHLO after it',
    script: {},
    also: ({ upstream }) => {
      assert.equal(upstream.clear, 'EHLO [127.0.0.1]\r\nSTARTTLS\r\n');
      assert.match(upstream.commands.join('\n'), /^EHLO relay\.example\.test\nAUTH PLAIN \S+\nMAIL /);
      assert.ok(
        upstream.secured.includes(Buffer.from(`\0relay-user\0${CANARY_PASSWORD}`).toString('base64')),
      );
    },
  },
  {
    name: 'delivers to an upstream that writes keywords and texts in its own way',
    script: {
      greeting: '220-upstream.test\r\n220-No solicitation\r\n220 ESMTP\r\n',
      clearKeywords: ['Pipelining', 'starttls', 'AUTH=PLAIN LOGIN', '8 BITMIME', 'SIZE'],
    },
  },
  {
    name: 'delivers to an upstream that says 220 without text and is then silent until the handshake',
    script: atStartTls((at) => {
      at.write('220\r\n');
      at.raw.pause();
      setTimeout(() => at.startTls(), 200);
    }),
  },
  {
    name: 'delivers to an upstream that offers STARTTLS again inside TLS, without using it',
    script: { keywords: keywords([], 'STARTTLS') },
    also: ({ upstream }) => assert.ok(!upstream.commands.includes('STARTTLS')),
  },
  {
    name: 'forgets a SIZE limit that was told in clear',
    script: { clearKeywords: ['STARTTLS', 'SIZE 1'] },
  },
  {
    name: 'does not chunk because CHUNKING was offered in clear',
    script: { clearKeywords: ['STARTTLS', 'CHUNKING', 'BINARYMIME', 'REQUIRETLS'] },
    also: ({ upstream }) => assert.equal(upstream.messages[0]?.by, 'DATA'),
  },
  {
    name: 'does not pipeline because PIPELINING was offered in clear',
    script: {
      clearKeywords: ['STARTTLS', 'PIPELINING'],
      keywords: keywords(['PIPELINING']),
      answer: (line, at) => {
        const isEarly = line.startsWith('MAIL') && at.secured.includes('RCPT TO');
        return isEarly ? '503 5.5.0 RCPT came too early\r\n' : undefined;
      },
    },
  },
];

hostileSuite('STARTTLS', {
  setting: { scheme: 'smtp' },
  attacks: [...stripped, ...refused, ...notReady, ...injected, ...remembered],
  twins,
});

/** Something other than the usual at STARTTLS. */
function atStartTls(act: (at: Connection) => void): Deviation {
  return {
    answer: (line, at) => {
      if (at.secure || line !== 'STARTTLS') return undefined;
      act(at);
      return SILENCE;
    },
  };
}
