/**
 * The five scenes: one delivery, three attacks and a provider without passwords, each with what must come of it.
 */
import { forgedIdentity } from '../attackers/forged-identity.ts';
import { hasSecret } from '../attackers/find-secret.ts';
import { INJECTED, injectAfterStartTls } from '../attackers/inject-after-starttls.ts';
import { Middleman } from '../attackers/middleman.ts';
import { BAIT, stripStartTls } from '../attackers/strip-starttls.ts';
import { condensed, sights, type Sight } from '../attackers/wire.ts';
import { Sandbox } from '../sandbox.ts';
import { field, judge, type Check, type SceneResult } from './judgement.ts';
import { replyLines } from './legacy-client.ts';
import { withoutPasswords } from './provider-scene.ts';
import type { LogLine } from './relay-child.ts';
import { attempt, storeIn, type Attempt, type Received, type Stage } from './stage.ts';

/** What is particular to an attack. */
interface Attack {
  /** What reached a mail server. */
  readonly loot: readonly Received[];
  /** Who sits at the other end. */
  readonly upstream?: string;
  /** Lines that the attacker made. */
  readonly tampered?: readonly string[];
  readonly more?: readonly Check[];
}

export const SCENES: readonly ((stage: Stage, number: number) => Promise<SceneResult>)[] = [
  delivered,
  stripped,
  forged,
  injected,
  withoutPasswords,
];

async function delivered(stage: Stage, number: number): Promise<SceneResult> {
  const title = 'Delivered inside verified TLS';
  const { narrator, sandbox, message, received } = stage;
  narrator.section(`${number}  ${title}`);
  narrator.paragraph(
    'A scanner that speaks only plain SMTP hands a message to the relay on localhost. ' +
      'The upstream demands STARTTLS and a password, which the relay has and the scanner has not.',
  );
  await using recorder = await Middleman.before(sandbox.startTls);
  const { outcome, log } = await attempt(stage, 'smtp', recorder.endpoint);
  const seen = sights(recorder.segments);
  narrator.heading('Scanner and relay, in clear text, on localhost');
  narrator.dialog(outcome.dialog);
  narrator.heading('The wire between relay and upstream, every octet recorded');
  narrator.wire(condensed(seen));
  const secured = log.find((line) => line['event'] === 'hop.secured');
  tellSession(stage, secured);
  tellReceived(stage, received);
  const arrival = received.at(0);
  return judge(stage, title, `delivered inside ${field(secured, 'protocol')}`, [
    {
      text: `The scanner was told the upstream's own reply: ${replyLines(outcome.verdict).join(' ')}`,
      holds:
        outcome.isDelivered &&
        replyLines(outcome.verdict)
          .join()
          .includes(arrival?.envelope.id ?? '\0'),
    },
    {
      text: 'One message arrived, its header and body octet for octet, with the password accepted',
      holds:
        received.length === 1 &&
        arrival?.content.endsWith(message.content) === true &&
        arrival.envelope.user === stage.credentials.user,
    },
    { text: 'The relay logged how the session was authenticated', holds: secured !== undefined },
    inClear(seen, ['EHLO', 'STARTTLS']),
    notOnTheWire(stage, recorder),
    searchWorks(stage, outcome.dialog.map(({ line }) => line).join('\r\n')),
  ]);
}

async function stripped(stage: Stage, number: number): Promise<SceneResult> {
  const title = 'STARTTLS stripped by a man in the middle';
  stage.narrator.section(`${number}  ${title}`);
  stage.narrator.paragraph(
    'Somebody between relay and upstream takes STARTTLS out of the EHLO reply and offers AUTH instead. ' +
      'A client that takes what it gets would now log in and send in clear text.',
  );
  await using attacker = await Middleman.before(stage.sandbox.startTls, stripStartTls);
  const receivedEarlier = stage.received.length;
  const tried = await attempt(stage, 'smtp', attacker.endpoint);
  return refused(stage, title, '4.7.4', tried, attacker, {
    loot: stage.received.slice(receivedEarlier),
    tampered: [`250-${BAIT}`, `250 ${BAIT}`],
  });
}

async function forged(stage: Stage, number: number): Promise<SceneResult> {
  const title = 'A forged certificate';
  stage.narrator.section(`${number}  ${title}`);
  stage.narrator.paragraph(
    'The connection leads to a server of the attacker. It speaks TLS at once, has a certificate for the ' +
      'right name from a CA that nobody here trusts, and would accept any password and any message.',
  );
  const loot: Received[] = [];
  await using impostor = await Sandbox.start({ identity: await forgedIdentity(), store: storeIn(loot) });
  await using recorder = await Middleman.before(impostor.implicitTls);
  const tried = await attempt(stage, 'smtps', recorder.endpoint);
  return refused(stage, title, '4.7.5', tried, recorder, { loot, upstream: 'impostor' });
}

async function injected(stage: Stage, number: number): Promise<SceneResult> {
  const title = 'Plaintext injected after the STARTTLS reply';
  stage.narrator.section(`${number}  ${title}`);
  stage.narrator.paragraph(
    'The attacker appends an EHLO reply to the 220 of STARTTLS, in the same segment. A client that keeps ' +
      'its buffer across the handshake would believe that it came from inside TLS.',
  );
  await using attacker = await Middleman.before(stage.sandbox.startTls, injectAfterStartTls);
  const receivedEarlier = stage.received.length;
  const tried = await attempt(stage, 'smtp', attacker.endpoint);
  const wasInjected = attacker.octetsFrom('upstream').includes(INJECTED);
  return refused(stage, title, '4.7.5', tried, attacker, {
    loot: stage.received.slice(receivedEarlier),
    tampered: INJECTED.split('\r\n'),
    more: [{ text: 'The injected lines did reach the relay', holds: wasInjected }],
  });
}

/** Tells an attack and judges it: refused for the right reason, before content, and with nothing given away. */
function refused(
  stage: Stage,
  title: string,
  enhancedCode: string,
  { outcome, log }: Attempt,
  attacker: Middleman,
  { loot, upstream = 'upstream', tampered = [], more = [] }: Attack,
): SceneResult {
  const { narrator } = stage;
  const seen = sights(attacker.segments);
  narrator.heading('The wire, as the attacker saw it');
  narrator.wire(condensed(seen), upstream, tampered);
  narrator.heading('Scanner and relay, in clear text, on localhost');
  narrator.dialog(outcome.dialog);
  narrator.heading("The relay's log");
  const insecure = log.find((line) => line['event'] === 'hop.insecure');
  for (const name of ['event', 'phase', 'resultType', 'reason']) narrator.fact(name, field(insecure, name));
  const { code, lines } = outcome.verdict;
  return judge(stage, title, `refused with ${code} ${enhancedCode}`, [
    ...more,
    {
      text: `The scanner was refused with 451 ${enhancedCode} before it could send any content`,
      holds: !outcome.contentSent && code === 451 && lines[0]?.startsWith(`${enhancedCode} `) === true,
    },
    { text: 'The relay logged what was wrong', holds: insecure !== undefined },
    { text: 'Nobody received a message', holds: loot.length === 0 },
    inClear(seen, ['EHLO', 'STARTTLS', 'QUIT']),
    notOnTheWire(stage, attacker),
  ]);
}

function inClear(seen: readonly Sight[], allowed: readonly string[]): Check {
  const lines = seen.flatMap((sight) =>
    sight.from === 'relay' && sight.kind === 'line' ? [sight.text] : [],
  );
  const list = allowed.join(', ').replace(/, (?=[^,]*$)/, ' or ');
  return {
    text: `In clear text the relay said nothing but ${list}`,
    holds: lines.every((line) => allowed.includes(line.split(' ', 1)[0] ?? '')),
  };
}

function notOnTheWire({ secrets }: Stage, middleman: Middleman): Check {
  const both = (['relay', 'upstream'] as const).map((side) => middleman.octetsFrom(side));
  return {
    text: 'Password, addresses and content were looked for on the wire, plain and in base64: not there',
    holds: !secrets.some((secret) => both.some((octets) => hasSecret(octets, secret))),
  };
}

/** A search that finds nothing proves nothing until it has found something. */
function searchWorks({ secrets, credentials }: Stage, clearText: string): Check {
  const { user, password } = credentials;
  const auth = Buffer.from(`\0${user}\0${password}`).toString('base64');
  const haystack = Buffer.from(`${clearText}\r\nAUTH PLAIN ${auth}\r\n`);
  return {
    text: "The same search finds them all in the scanner's own clear text and in an AUTH command",
    holds: secrets.every((secret) => hasSecret(haystack, secret)),
  };
}

function tellSession({ narrator }: Stage, secured: LogLine | undefined): void {
  narrator.heading('The session that protected it');
  const how = field(secured, 'authenticatedBy');
  narrator.fact(
    'peer',
    `${field(secured, 'name')}, authenticated by ${how === 'pkix' ? 'its certificate' : how}`,
  );
  narrator.fact('TLS version', field(secured, 'protocol'));
  narrator.fact('cipher', field(secured, 'cipher'));
  narrator.fact('group', field(secured, 'group'));
  // In two halves: 95 characters are no line for a terminal.
  narrator.fact('fingerprint', field(secured, 'fingerprint').replace(/^((?:\w\w:){16})/, '$1 '));
}

function tellReceived({ narrator, message }: Stage, received: readonly Received[]): void {
  narrator.heading('The upstream received');
  for (const { envelope, content } of received) {
    narrator.fact('over', `${envelope.protocol}, authenticated as ${envelope.user ?? 'nobody'}`);
    narrator.fact('from', envelope.reversePath);
    narrator.fact('to', envelope.forwardPaths.join(', '));
    const unchanged = content.endsWith(message.content) ? message.content.length : 0;
    const added = content.slice(0, content.length - unchanged);
    const fields = added
      .replaceAll(/\r\n(?=[ \t])/g, '')
      .split('\r\n')
      .filter(Boolean);
    for (const line of fields) narrator.fact('added', line);
    narrator.fact('unchanged', `${unchanged} octets: the message as the scanner sent it`);
  }
}
