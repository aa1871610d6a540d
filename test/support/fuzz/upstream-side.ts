/**
 * An upstream that answers anything, in clear and inside TLS, at one phase of a session.
 *
 * Invariants: the client has one reply to each command, and 250 after content only where the upstream gave a whole 2yz
 * reply to a whole message; in clear nothing but EHLO, STARTTLS and QUIT; the process lives and the upstream, once good
 * again, is served again.
 */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import { assertClearText } from '../hostile-judgement.ts';
import { TestAuthority } from '../pki.ts';
import { startRelay, type RelayProcess } from '../relay-process.ts';
import { CLOSE, GOOD_KEYWORDS, ScriptedUpstream, SILENCE, type Script } from '../scripted-upstream.ts';
import { SmtpDialog } from '../smtp-dialog.ts';
import { damaged, octetsOf } from './octets.ts';
import { fuzzTarget, type FuzzTarget } from './target.ts';

const PHASES = [
  'greeting',
  'clear-ehlo',
  'starttls',
  'ehlo',
  'auth',
  'mail',
  'rcpt',
  'data',
  'final',
] as const;

interface Answering {
  readonly phase: (typeof PHASES)[number];
  readonly answer: string;
  /** The connection ends behind the answer. */
  readonly closes: boolean;
  readonly chunking: boolean;
}

/** Cases that are played at the same time, each with an upstream of its own. */
const LANES = 6;
const REPLY_MS = 20_000;
const TRIES = 3;
/** What a relay that hoards would exceed. */
const RESIDENT_OCTETS = 400e6;

const answers = damaged([
  '220 upstream.test ESMTP\r\n',
  '250-upstream.test\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\r\n',
  '250-upstream.test\r\n250-CHUNKING\r\n250-LIMITS MAILMAX=1 RCPTMAX=1\r\n250 SMTPUTF8\r\n',
  '220 2.0.0 Ready\r\n',
  '235 2.7.0 Authenticated\r\n',
  '334 VXNlcm5hbWU6\r\n',
  '334 cj1hLHM9YixpPTE=\r\n',
  '250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n',
  '354 Go ahead\r\n',
  '250 2.0.0 Queued\r\n',
  '421 4.3.2 Going down\r\n',
  '450-4.2.0 Try\r\n450 4.2.0 later\r\n',
  '535 5.7.8 Bad credentials\r\n',
  '550 5.1.1 Nobody\r\n',
  '250-never ends\r\n',
  '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
  '\x15\x03\x03\0\x02\x02\x28',
]);

const answering: fc.Arbitrary<Answering> = fc.record({
  phase: fc.constantFrom(...PHASES),
  answer: answers,
  // A connection that stays open behind half a reply costs the patience of the relay.
  closes: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
  chunking: fc.boolean(),
});

export async function upstreamSide(cleanup: AsyncDisposableStack): Promise<readonly FuzzTarget[]> {
  const authority = cleanup.adopt(new TestAuthority(), (one) => one.remove());
  const lanes = await Promise.all(
    Array.from({ length: LANES }, async (_, index) => cleanup.use(await Lane.open(`L${index}`, authority))),
  );
  const variables: Record<string, string> = {};
  for (const { name, url } of lanes) {
    variables[`SEALPOST_UPSTREAM_${name}_URL`] = url;
    variables[`SEALPOST_UPSTREAM_${name}_USER`] = 'user';
    variables[`SEALPOST_UPSTREAM_${name}_PASSWORD`] = 'password';
  }
  const relay = cleanup.use(
    await startRelay({
      SEALPOST_UPSTREAM: lanes[0]?.url,
      SEALPOST_TLS_CA_FILE: authority.caFile,
      SEALPOST_CONNECT_TIMEOUT: '2',
      SEALPOST_COMMAND_TIMEOUT: '1',
      SEALPOST_FINAL_TIMEOUT: '1',
      SEALPOST_ROUTES: lanes.map(({ name }) => `from=${name}@x.test -> ${name}`).join('\n'),
      ...variables,
    }),
  );
  return [
    fuzzTarget<readonly Answering[]>(
      {
        name: 'upstream',
        inputs: fc.array(answering, { minLength: 1, maxLength: LANES }),
        check: async (cases) => {
          await Promise.all(cases.map(async (one, index) => lanes[index]?.play(one, relay)));
          assert.ok(!relay.output.includes('internal.error'), relay.output.slice(-2_000));
          assert.ok((await relay.residentOctets()) < RESIDENT_OCTETS, 'memory is bounded');
          relay.output = '';
          relay.log.splice(10);
        },
      },
      (input): input is readonly Answering[] => Array.isArray(input),
    ),
  ];
}

class Lane implements AsyncDisposable {
  readonly name: string;
  readonly #upstream: ScriptedUpstream;
  readonly #good: Script;

  private constructor(name: string, upstream: ScriptedUpstream) {
    this.name = name;
    this.#upstream = upstream;
    this.#good = upstream.script;
  }

  static async open(name: string, authority: TestAuthority): Promise<Lane> {
    const upstream = await ScriptedUpstream.start({ mode: 'starttls', identity: authority.issue() });
    return new Lane(name, upstream);
  }

  get url(): string {
    return `smtp://localhost:${this.#upstream.port}`;
  }

  async play(one: Answering, relay: RelayProcess): Promise<void> {
    this.#upstream.play(this.#script(one));
    const code = await this.#send(relay);
    const { messages } = this.#upstream;
    if (code === 250) {
      assert.equal(messages.length, 1, 'acknowledged, so it is there');
      assert.ok(one.phase !== 'final' || /^(?:2\d\d-[^\n]*\n)*2\d\d(?: [^\n]*)?\r\n/.test(one.answer));
    }
    assertClearText(this.#upstream);
    this.#upstream.play(this.#good);
    for (let tries = 1; (await this.#send(relay)) !== 250; tries += 1)
      assert.ok(tries < TRIES, `${this.name}: a good upstream is served again after ${JSON.stringify(one)}`);
    assertClearText(this.#upstream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upstream[Symbol.asyncDispose]();
  }

  #script({ phase, answer, closes, chunking }: Answering): Script {
    const octets = octetsOf(answer);
    const keywords = chunking ? [...GOOD_KEYWORDS, 'CHUNKING'] : GOOD_KEYWORDS;
    const script: Script = { ...this.#good, keywords };
    if (phase === 'greeting')
      return { ...script, greeting: octets, onConnection: (at) => closes && at.raw.end(octets) };
    if (phase === 'final') {
      return {
        ...script,
        verdict: (_message, at) => {
          at.write(octets);
          return closes ? CLOSE : SILENCE;
        },
      };
    }
    const verb = phase.replace('clear-', '').toUpperCase();
    const isInside = phase !== 'clear-ehlo' && phase !== 'starttls';
    return {
      ...script,
      answer: (line, at) => {
        if (at.secure !== isInside || !line.startsWith(verb)) return undefined;
        at.write(octets);
        return closes ? CLOSE : SILENCE;
      },
    };
  }

  /** @returns the last code; 250 for a message that was taken */
  async #send(relay: RelayProcess): Promise<number> {
    using client = await SmtpDialog.open(relay.port());
    const late = setTimeout(() => client.close(), REPLY_MS); // then there is no reply, which throws
    try {
      const { code } = await client.send('Subject: x\r\n\r\nHello', `${this.name}@x.test`);
      assert.equal(
        (await client.command('QUIT')).code,
        221,
        'the session goes on, one reply to each command',
      );
      return code;
    } finally {
      clearTimeout(late);
    }
  }
}
