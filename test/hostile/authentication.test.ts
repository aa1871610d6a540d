/**
 * An upstream that proved its name and then cheats at SCRAM, or cannot do it: whoever took over a mail server's name and
 * certificate still does not know the password, and must not learn anything that helps to guess it cheaply.
 */
import { strict as assert } from 'node:assert';

import { authenticated, keywords, type Attack, type HostileStage } from '../support/hostile-stage.ts';
import { hostileSuite, type Innocent } from '../support/hostile-suite.ts';
import { decoded, encoded, type ScramServer } from '../support/scram-server.ts';
import { scramUpstream, type ScramPlay } from '../support/scram-upstream.ts';
import { CLOSE } from '../support/scripted-upstream.ts';
import type { DialogReply } from '../support/smtp-dialog.ts';

interface Cheat {
  readonly name: string;
  readonly play: ScramPlay;
  /** The reason in the log. */
  readonly reason: string;
  /** The relay has sent its proof by then. */
  readonly afterProof?: boolean;
  /** The upstream ends the exchange itself, so that nothing is left to cancel. */
  readonly isOver?: boolean;
}

const WRONG_SIGNATURE = encoded(`v=${Buffer.alloc(32, 1).toString('base64')}`);

const CHEATS: readonly Cheat[] = [
  {
    name: 'does not believe a server signature that is wrong',
    play: { atProof: () => `334 ${WRONG_SIGNATURE}\r\n` },
    reason: 'server-signature-wrong',
    afterProof: true,
  },
  {
    name: 'does not believe a server that makes its signature from another password',
    play: { atProof: () => `334 ${WRONG_SIGNATURE}\r\n`, password: 'guessed' },
    reason: 'server-signature-wrong',
    afterProof: true,
  },
  {
    name: 'does not believe 235 without a server signature',
    play: { atProof: () => '235 2.7.0 Welcome\r\n' },
    reason: 'server-signature-missing',
    afterProof: true,
    isOver: true,
  },
  {
    name: 'does not believe a server signature in the text of 235',
    play: { atProof: (final) => `235 ${final}\r\n` },
    reason: 'server-signature-missing',
    afterProof: true,
    isOver: true,
  },
  {
    name: 'does not believe 235 in answer to AUTH',
    play: { atAuth: () => '235 2.7.0 Welcome\r\n' },
    reason: 'server-signature-missing',
    isOver: true,
  },
  {
    name: 'does not believe an empty server signature',
    play: { atProof: () => `334 ${encoded('v=')}\r\n` },
    reason: 'malformed-challenge',
    afterProof: true,
  },
  {
    name: 'sends no proof for a truncated nonce',
    play: { first: (text, nonce) => text.replace(`r=${nonce}server`, `r=${nonce.slice(0, -4)}`) },
    reason: 'nonce',
  },
  {
    name: 'sends no proof for a nonce to which the server added nothing',
    play: { first: (text, nonce) => text.replace(`r=${nonce}server`, `r=${nonce}`) },
    reason: 'nonce',
  },
  {
    name: 'sends no proof for a foreign nonce',
    play: { first: (text, nonce) => text.replace(nonce, 'A'.repeat(nonce.length)) },
    reason: 'nonce',
  },
  {
    name: 'sends no proof after one iteration, which would make the password cheap to guess',
    play: { first: (text) => text.replace('i=4096', 'i=1') },
    reason: 'iteration-count-too-low',
  },
  {
    name: 'does not work through a milliard iterations',
    play: { first: (text) => text.replace('i=4096', 'i=1000000000') },
    reason: 'iteration-count-too-high',
  },
  {
    name: 'gives up on a mandatory extension that it does not know',
    play: { first: (text) => `m=pay-first,${text}` },
    reason: 'mandatory-extension',
  },
  {
    name: 'gives up on an error in the first message',
    play: { first: () => 'e=unknown-user' },
    reason: 'server-error-unknown-user',
  },
  {
    name: 'gives up on an error in the last message',
    play: { password: 'another' },
    reason: 'server-error-invalid-proof',
    afterProof: true,
  },
  {
    name: 'does not show the wording of an error that the RFC does not know',
    play: { atProof: () => `334 ${encoded('e=call 0900-1234 for help')}\r\n` },
    reason: 'server-error-other-error',
    afterProof: true,
  },
  ...['%%%%', 'not base64', 'cj1h', '/////w==', encoded('r=a,s=b')].map((garbage): Cheat => ({
    name: `gives up on ${JSON.stringify(garbage)} for a challenge`,
    play: { atAuth: () => `334 ${garbage}\r\n` },
    reason: 'malformed-challenge',
  })),
  {
    name: 'gives up when another challenge follows the server signature',
    play: { atEnd: `334 ${WRONG_SIGNATURE}\r\n` },
    reason: 'unexpected-challenge',
    afterProof: true,
  },
  {
    name: 'takes no for an answer after a right server signature',
    play: { atEnd: '535 5.7.8 Account locked\r\n' },
    reason: '535',
    afterProof: true,
    isOver: true,
  },
  {
    name: 'keeps its proof out of reply and log when the upstream echoes it in base64',
    play: { atProof: (_final, line) => `535 5.7.8 bad response: ${line}\r\n` },
    reason: '535',
    afterProof: true,
    isOver: true,
  },
  {
    name: 'keeps its proof out of reply and log when the upstream echoes it decoded',
    play: { atProof: (_final, line) => `535 5.7.8 bad response: ${decoded(line)}\r\n` },
    reason: '535',
    afterProof: true,
    isOver: true,
  },
];

const attacks = CHEATS.map(({ name, play, reason, afterProof = false, isOver = false }): Attack => ({
  name,
  script: scramUpstream(play),
  reply: '454 4.7.0',
  also: async (reply, stage) => {
    assert.equal((await stage.event('hop.refused'))['reason'], reason);
    assert.equal(stage.upstream.commands.at(-2) === '*', !isOver, 'what is given up is cancelled');
    assert.equal(proofsIn(stage).length > 0, afterProof, 'a proof was sent');
    assertNothingTold(reply, stage);
  },
}));

/** The session can be bound, and the upstream, or whoever is in between, has taken -PLUS from the list. */
const strippedServers: ScramServer[] = [];
const stripped: Attack = {
  name: 'lets a server find out that -PLUS was taken from its list',
  script: scramUpstream(
    {
      offered: 'SCRAM-SHA-256 SCRAM-SHA-1 PLAIN',
      atProof: () => `334 ${encoded('e=server-does-support-channel-binding')}\r\n`,
    },
    strippedServers,
  ),
  reply: '454 4.7.0',
  also: async (reply, stage) => {
    const reason = 'server-error-server-does-support-channel-binding';
    assert.equal((await stage.event('hop.refused'))['reason'], reason);
    assert.equal(strippedServers.at(-1)?.clientFirst?.header, 'y,,');
    assertNothingTold(reply, stage);
  },
};

const endless: readonly Attack[] = ['', encoded('r=x'), WRONG_SIGNATURE].map((challenge) => ({
  name: `gives up on challenges without end: 334 ${JSON.stringify(decoded(challenge).slice(0, 4))}`,
  script: {
    keywords: keywords(['AUTH'], 'AUTH SCRAM-SHA-256 PLAIN'),
    answer: (_line, at) =>
      at.commands.some((one) => one.startsWith('AUTH')) ? `334 ${challenge}\r\n` : undefined,
  },
  reply: '454 4.7.0',
  also: (_reply, { upstream }) => {
    assert.ok(upstream.commands.length < 8, 'it does not go on and on');
    assert.ok(!upstream.commands.some((line) => line.startsWith('AUTH PLAIN')));
  },
}));

const cheating = scramUpstream({ first: (text) => text.replace('i=4096', 'i=1') });
const hangingUp: Attack = {
  name: 'tells why it gave up, also when the upstream hangs up on that',
  script: { ...cheating, answer: (line, at) => (line === '*' ? CLOSE : cheating.answer?.(line, at)) },
  reply: '454 4.7.0',
  also: async (_reply, stage) =>
    assert.equal((await stage.event('hop.refused'))['reason'], 'iteration-count-too-low'),
};

const CHALLENGE = encoded('<1896.697170952@upstream.test>');

const cramMd5: readonly Attack[] = [
  { how: 'in base64', echo: (line: string): string => line },
  { how: 'decoded', echo: decoded },
  { how: 'by its end', echo: (line: string): string => decoded(line).slice(-12) },
].map(({ how, echo }) => ({
  name: `keeps the CRAM-MD5 digest out of reply and log when the upstream echoes it ${how}`,
  script: {
    keywords: keywords(['AUTH'], 'AUTH CRAM-MD5'),
    answer: (line, at) => {
      if (line === 'AUTH CRAM-MD5') return `334 ${CHALLENGE}\r\n`;
      if (at.commands.at(-2) !== 'AUTH CRAM-MD5') return undefined;
      return `535 5.7.8 bad response: ${echo(line)}\r\n`;
    },
  },
  reply: '454 4.7.0',
  also: (reply, stage) => {
    const response = stage.upstream.commands.at(-2) ?? '';
    const digest = decoded(response).split(' ')[1] ?? '';
    assert.match(digest, /^[0-9a-f]{32}$/);
    for (const secret of [response, digest, digest.slice(-12)]) assertUntold(secret, reply, stage);
  },
}));

/** The proofs in what the relay sent. */
function proofsIn({ upstream }: HostileStage): readonly string[] {
  return upstream.commands.flatMap((line) => /,p=(.+)$/.exec(decoded(line))?.[1] ?? []);
}

/** The upstream got no message; neither proof nor exchange is shown to anybody. */
function assertNothingTold(reply: DialogReply, stage: HostileStage): void {
  const { upstream } = stage;
  assert.ok(!upstream.secured.includes('MAIL'), 'no transaction is begun');
  assert.equal(
    upstream.commands.filter((line) => line.startsWith('AUTH')).length,
    1,
    'nothing else is tried',
  );
  for (const proof of proofsIn(stage)) {
    assertUntold(proof, reply, stage);
    assertUntold(proof.slice(0, 12), reply, stage);
  }
  for (const line of upstream.commands.filter((one) => one.length > 40)) assertUntold(line, reply, stage);
}

function assertUntold(secret: string, reply: DialogReply, { relay }: HostileStage): void {
  assert.ok(!relay.output.includes(secret) && !reply.raw.includes(secret), `${secret} is told`);
}

interface GoodServer {
  readonly name: string;
  readonly play: ScramPlay;
  /** How the relay begins. */
  readonly header: string;
  readonly tls?: { readonly maxVersion: 'TLSv1.2' };
}

const GOOD_SERVERS: readonly GoodServer[] = [
  { name: 'SCRAM-SHA-256, whose signature comes as a challenge', play: {}, header: 'y,,' },
  { name: 'SCRAM-SHA-1', play: { offered: 'SCRAM-SHA-1 PLAIN LOGIN' }, header: 'y,,' },
  {
    name: 'an extension that may be ignored',
    play: { first: (text) => `${text},x=anything` },
    header: 'y,,',
  },
  {
    name: 'SCRAM-SHA-256-PLUS on TLS 1.3',
    play: { offered: 'PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS' },
    header: 'p=tls-exporter,,',
  },
  {
    name: 'SCRAM-SHA-1-PLUS on TLS 1.3',
    play: { offered: 'SCRAM-SHA-1 SCRAM-SHA-1-PLUS' },
    header: 'p=tls-exporter,,',
  },
  {
    name: 'SCRAM-SHA-256-PLUS on TLS 1.2',
    play: { offered: 'SCRAM-SHA-256 SCRAM-SHA-256-PLUS' },
    header: 'p=tls-server-end-point,,',
    tls: { maxVersion: 'TLSv1.2' },
  },
];

const twins = GOOD_SERVERS.map(({ name, play, header, tls }): Innocent => {
  const servers: ScramServer[] = [];
  const script = scramUpstream(play, servers);
  return {
    name: `delivers to a server with ${name}`,
    script: tls === undefined ? script : { ...script, tls },
    also: () => {
      const first = servers.at(-1)?.clientFirst;
      assert.equal(first?.header, header);
      assert.equal(first.name, 'relay-user');
    },
  };
});

/** A server that reads no initial response, and one that speaks CRAM-MD5. */
const moreTwins: readonly Innocent[] = [
  {
    name: 'delivers to a server that asks again for the first message of SCRAM',
    script: askingAgain(scramUpstream({})),
  },
  {
    name: 'delivers by CRAM-MD5',
    script: {
      keywords: keywords(['AUTH'], 'AUTH PLAIN LOGIN CRAM-MD5'),
      answer: (line, at) => {
        if (line === 'AUTH CRAM-MD5') return `334 ${CHALLENGE}\r\n`;
        if (at.commands.at(-2) !== 'AUTH CRAM-MD5') return undefined;
        return decoded(line).startsWith('relay-user ') ? '235 2.7.0 Welcome\r\n' : '535 5.7.8 No\r\n';
      },
    },
  },
];

function askingAgain(script: ReturnType<typeof scramUpstream>): ReturnType<typeof scramUpstream> {
  return { ...script, answer: (line, at) => script.answer?.(line.replace(/^(AUTH \S+) .*/, '$1'), at) };
}

hostileSuite('Authentication inside TLS', {
  setting: { scheme: 'smtps' },
  attacks: authenticated([...attacks, stripped, hangingUp, ...endless, ...cramMd5]),
  twins: [...twins, ...moreTwins],
});
