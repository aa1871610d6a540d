/**
 * More than one way to the upstream: a host without a scheme (465, then 587), and a list of upstreams. An attacker who
 * closes one way must not gain a weaker one.
 *
 * The ports are fixed by RFC 8314, so these tests bind them on loopback addresses of their own; that takes root.
 */
import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { canaryMessage, CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { assertClearText, assertOutput, assertRefusal } from '../support/hostile-judgement.ts';
import {
  attacker,
  ENVIRONMENTS,
  genuine,
  GOOD_IDENTITY,
  sendPlainly,
  type Deviation,
} from '../support/hostile-stage.ts';
import { startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream, SILENCE } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

/** What stands behind a port: a deviation from the innocent upstream, or nothing that listens. */
type Behind = Deviation | 'closed';

interface Case {
  readonly name: string;
  readonly at465: Behind;
  readonly at587: Behind;
  /** The port that gets the message, or the refusal that the client gets. */
  readonly result: 465 | 587 | string;
}

/** The second port joins after two seconds. */
const LONGER_THAN_THE_WAIT_MS = 2_300;
/** Only a relay that does what it must not would need longer to be found out. */
const LONG_ENOUGH_TO_AUTH_MS = 300;

const unknown = attacker.issue();
const STRIPPED: Deviation = { clearKeywords: ['AUTH PLAIN LOGIN'] };
const UNTRUSTED: Deviation = { identity: unknown };
const PLAINTEXT: Deviation = { mode: 'starttls' };

const attacks: readonly Case[] = [
  {
    name: 'refuses when 465 is closed and 587 offers no STARTTLS',
    at465: 'closed',
    at587: STRIPPED,
    result: '451 4.7.4',
  },
  {
    name: 'refuses when 465 is closed and 587 shows an unknown authority',
    at465: 'closed',
    at587: UNTRUSTED,
    result: '451 4.7.5',
  },
  {
    name: 'refuses when both ports show an unknown authority',
    at465: UNTRUSTED,
    at587: UNTRUSTED,
    result: '451 4.7.5',
  },
  {
    name: 'refuses when 465 answers in clear and 587 offers no STARTTLS',
    at465: PLAINTEXT,
    at587: STRIPPED,
    result: '451 4.7.4',
  },
  {
    name: 'does not offer refused credentials at the other port',
    at465: { answer: (line) => (line.startsWith('AUTH') ? '535 5.7.8 no\r\n' : undefined) },
    at587: {},
    result: '454 4.7.0',
  },
  {
    name: 'does not offer credentials at the other port while the first takes its time to refuse them',
    at465: {
      answer: async (line) => {
        if (!line.startsWith('AUTH')) return undefined;
        await delay(LONGER_THAN_THE_WAIT_MS);
        return '535 5.7.8 no\r\n';
      },
    },
    at587: {},
    result: '454 4.7.0',
  },
  { name: 'says so when both ports are closed', at465: 'closed', at587: 'closed', result: '451 4.4.1' },
];

/**
 * Both ports are ready for AUTH, the second a moment after the first: it joins while the first delays its EHLO, and has
 * answered EHLO inside TLS when the first refuses. Who offered credentials to it then would have delivered by it.
 */
function joinedBeforeRefusal(): Case {
  const [joined, asked, ready] = [0, 1, 2].map(() => Promise.withResolvers<undefined>());
  return {
    name: 'does not offer credentials at a port that joined before the first refused them',
    at465: {
      answer: async (line) => {
        if (line.startsWith('EHLO')) return joined?.promise;
        if (!line.startsWith('AUTH')) return undefined;
        asked?.resolve(undefined);
        await ready?.promise;
        await delay(LONG_ENOUGH_TO_AUTH_MS);
        return '535 5.7.8 no\r\n';
      },
    },
    at587: {
      answer: async (line, at) => {
        if (!line.startsWith('EHLO')) return undefined;
        joined?.resolve(undefined);
        if (!at.secure) return undefined;
        await asked?.promise;
        ready?.resolve(undefined);
        return undefined;
      },
    },
    result: '454 4.7.0',
  };
}

const twins: readonly Case[] = [
  { name: 'delivers by 465 when both ports are good', at465: {}, at587: {}, result: 465 },
  { name: 'delivers by 587 when 465 is closed', at465: 'closed', at587: {}, result: 587 },
  { name: 'delivers by 587 when 465 is silent', at465: { greeting: SILENCE }, at587: {}, result: 587 },
  {
    name: 'delivers by 587 when 465 shows an unknown authority, and says nothing to that',
    at465: UNTRUSTED,
    at587: {},
    result: 587,
  },
  { name: 'delivers by 587 when 465 answers in clear', at465: PLAINTEXT, at587: {}, result: 587 },
  { name: 'delivers by 465 when 587 offers no STARTTLS', at465: {}, at587: STRIPPED, result: 465 },
];

const CASE = { timeout: 20_000 };
const NEEDS_ROOT =
  'ports 465 and 587 cannot be bound: run as root, or lower net.ipv4.ip_unprivileged_port_start';
const CLEAN = ENVIRONMENTS.slice(0, 1);

describe('A host without a scheme', { concurrency: 4 }, () => {
  for (const one of attacks) declare(one, ENVIRONMENTS);
  for (const environment of ENVIRONMENTS) declare(joinedBeforeRefusal(), [environment]);
  for (const one of twins) declare(one, CLEAN);

  test('stays verified when the port that worked is stripped later', CASE, async (context) => {
    await using scene = await FixedPorts.start('closed', {}, {});
    if (scene === undefined) return context.skip(NEEDS_ROOT);
    assert.equal((await scene.send()).code, 250);
    scene.at587?.play({ ...scene.at587.script, ...STRIPPED });
    assertRefusal(await scene.send(), '451 4.7.4');
    scene.judge();
    return undefined;
  });
});

function declare({ name, at465, at587, result }: Case, environments: typeof ENVIRONMENTS): void {
  for (const environment of environments) {
    test(`${name}, ${environment.name}`, CASE, async (context) => {
      await using scene = await FixedPorts.start(at465, at587, environment.variables);
      if (scene === undefined) return context.skip(NEEDS_ROOT);
      const reply = await scene.send();
      if (typeof result === 'string') assertRefusal(reply, result);
      else assert.equal(reply.code, 250, reply.raw);
      assert.deepEqual(scene.delivered, typeof result === 'string' ? [] : [result]);
      scene.judge();
      return undefined;
    });
  }
}

/** Upstreams on ports 465 and 587 of a loopback address that nobody else uses, and a relay that knows the address only. */
class FixedPorts {
  static #used = 0;
  readonly at465: ScriptedUpstream | undefined;
  readonly at587: ScriptedUpstream | undefined;
  readonly #relay: RelayProcess;

  private constructor(
    at465: ScriptedUpstream | undefined,
    at587: ScriptedUpstream | undefined,
    relay: RelayProcess,
  ) {
    this.at465 = at465;
    this.at587 = at587;
    this.#relay = relay;
  }

  /** @returns undefined when this process may not bind the ports */
  static async start(at465: Behind, at587: Behind, variables: Variables): Promise<FixedPorts | undefined> {
    FixedPorts.#used += 1;
    const host = `127.${100 + (process.pid % 100)}.${(process.pid >> 8) % 250}.${FixedPorts.#used}`;
    const identity = genuine.issue({ san: `IP:${host}` });
    const listen = async (port: number, mode: 'implicit' | 'starttls', behind: Behind) =>
      behind === 'closed' ? undefined : ScriptedUpstream.start({ identity, mode, ...behind, host, port });
    try {
      const upstream465 = await listen(465, 'implicit', at465);
      const upstream587 = await listen(587, 'starttls', at587);
      const relay = await startRelay({
        SEALPOST_UPSTREAM: host,
        SEALPOST_UPSTREAM_USER: 'relay-user',
        SEALPOST_UPSTREAM_PASSWORD: CANARY_PASSWORD,
        SEALPOST_TLS_CA_FILE: genuine.caFile,
        SEALPOST_LOG_LEVEL: 'debug',
        ...variables,
      });
      return new FixedPorts(upstream465, upstream587, relay);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EACCES') return undefined;
      throw error;
    }
  }

  /** The ports that got a message. */
  get delivered(): readonly number[] {
    return this.#upstreams.flatMap(({ messages, port }) => messages.map(() => port));
  }

  async send(): Promise<DialogReply> {
    using dialog = await SmtpDialog.open(this.#relay.port());
    return await sendPlainly(dialog, canaryMessage(1));
  }

  judge(): void {
    for (const upstream of this.#upstreams) {
      assertClearText(upstream);
      if (upstream.script.identity === unknown) assert.equal(upstream.secured, '', 'nothing to a stranger');
    }
    assertOutput(this.#relay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.stop();
    for (const upstream of this.#upstreams) await upstream[Symbol.asyncDispose]();
  }

  get #upstreams(): readonly ScriptedUpstream[] {
    return [this.at465, this.at587].filter((upstream) => upstream !== undefined);
  }
}

describe('A list of upstreams', () => {
  const lists: readonly (readonly [
    name: string,
    first: Deviation,
    second: Deviation,
    result: number | string,
  ])[] = [
    ['delivers to the second when the first is stripped', STRIPPED, {}, 250],
    [
      'delivers to the second when the first shows an unknown authority',
      { mode: 'starttls', ...UNTRUSTED },
      {},
      250,
    ],
    [
      'refuses when the first is stripped and the second shows an unknown authority',
      STRIPPED,
      UNTRUSTED,
      '451 4.7.5',
    ],
  ];
  for (const [name, first, second, result] of lists) {
    for (const environment of ENVIRONMENTS) {
      test(`${name}, ${environment.name}`, CASE, async () => {
        await using one = await ScriptedUpstream.start({
          mode: 'starttls',
          identity: GOOD_IDENTITY,
          ...first,
        });
        await using two = await ScriptedUpstream.start({
          mode: 'implicit',
          identity: GOOD_IDENTITY,
          ...second,
        });
        await using relay = await startRelay({
          SEALPOST_UPSTREAM: `smtp://relay-user:${CANARY_PASSWORD}@localhost:${one.port},${two.url}`,
          SEALPOST_TLS_CA_FILE: genuine.caFile,
          ...environment.variables,
        });
        using dialog = await SmtpDialog.open(relay.port());
        const reply = await sendPlainly(dialog, canaryMessage(1));
        if (typeof result === 'string') assertRefusal(reply, result);
        else assert.equal(reply.code, result, reply.raw);
        assert.equal(one.secured, '');
        assert.deepEqual([one.messages.length, two.messages.length], [0, result === 250 ? 1 : 0]);
        assertClearText(one);
        assertClearText(two);
        assertOutput(relay);
      });
    }
  }
});
