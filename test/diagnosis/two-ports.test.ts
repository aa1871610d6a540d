/**
 * `sealpost check` on a host with two ports, 465 and 587.
 *
 * The ports are fixed by RFC 8314, so these tests bind them on loopback addresses of their own; that takes root.
 */
import assert from 'node:assert/strict';
import { after, describe, test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { checkAsJson, type Checked, wordOf } from '../support/check-run.ts';
import { CANARY_PASSWORD } from '../support/hostile-canary.ts';
import { TestAuthority } from '../support/pki.ts';
import { ScriptedUpstream, SILENCE, type Script } from '../support/scripted-upstream.ts';

const authority = new TestAuthority();
const stranger = new TestAuthority('Another CA');
after(() => {
  authority.remove();
  stranger.remove();
});

type Behind = Partial<Script> | 'closed';

const REFUSE: Partial<Script> = {
  answer: (line) => (line.startsWith('AUTH') ? '535 5.7.8 no\r\n' : undefined),
};
const NEEDS_ROOT =
  'ports 465 and 587 cannot be bound: run as root, or lower net.ipv4.ip_unprivileged_port_start';

let used = 0;

interface Scene extends Checked {
  /** AUTH commands, by port. */
  readonly logins: Readonly<Record<number, number>>;
}

/** @returns undefined when this process may not bind the ports */
async function check(context: TestContext, at465: Behind, at587: Behind): Promise<Scene | undefined> {
  used += 1;
  const host = `127.${210 + (process.pid % 40)}.${(process.pid >> 6) % 250}.${used}`;
  const identity = authority.issue({ san: `IP:${host}` });
  await using upstreams = new AsyncDisposableStack();
  const found: ScriptedUpstream[] = [];
  try {
    for (const [port, mode, behind] of [
      [465, 'implicit', at465],
      [587, 'starttls', at587],
    ] as const)
      if (behind !== 'closed')
        found.push(upstreams.use(await ScriptedUpstream.start({ identity, mode, ...behind, host, port })));
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EACCES') throw error;
    context.skip(NEEDS_ROOT);
    return undefined;
  }
  const checked = await checkAsJson([host], {
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_CONNECT_TIMEOUT: '6',
    SEALPOST_UPSTREAM_USER: 'relay-user',
    SEALPOST_UPSTREAM_PASSWORD: CANARY_PASSWORD,
  });
  const logins = found.map((upstream): readonly [number, number] => [
    upstream.port,
    upstream.commands.filter((line) => line.startsWith('AUTH')).length,
  ]);
  return { ...checked, logins: Object.fromEntries(logins) };
}

function words({ upstream }: Scene): readonly string[] {
  return upstream.ports.map(({ port, verdict }) => `${port} ${wordOf(verdict)}`);
}

describe('A host with two ports', { concurrency: 3 }, () => {
  const works: readonly (readonly [string, Behind, Behind, readonly [string, string]])[] = [
    ['both ports work', {}, {}, ['465 secured', '587 secured']],
    ['465 is closed and 587 works', 'closed', {}, ['465 unreachable', '587 secured']],
    ['465 is silent and 587 works', { greeting: SILENCE }, {}, ['465 unreachable', '587 secured']],
    [
      '465 works and 587 shows an unknown authority',
      {},
      { identity: stranger.issue() },
      ['465 secured', '587 certificate-not-trusted'],
    ],
  ];
  for (const [name, at465, at587, wanted] of works) {
    test(`gets mail delivered when ${name}`, async (context) => {
      const scene = await check(context, at465, at587);
      if (scene === undefined) return;
      assert.deepEqual(words(scene), wanted);
      assert.equal(scene.code, 0);
      assert.equal(scene.upstream.upstream, scene.port.host);
    });
  }

  test('gets none delivered when neither works', async (context) => {
    const scene = await check(context, 'closed', { clearKeywords: [] });
    if (scene === undefined) return;
    assert.deepEqual(words(scene), ['465 unreachable', '587 starttls-not-supported']);
    assert.equal(scene.code, 69);
  });

  test('is offered a wrong password on one port only, and the other says why not there', async (context) => {
    const scene = await check(context, REFUSE, {
      answer: async (line) => {
        if (line.startsWith('EHLO')) await delay(300); // so that 465 comes first
        return undefined;
      },
    });
    if (scene === undefined) return;
    assert.deepEqual(scene.logins, { 465: 1, 587: 0 });
    const [at465, at587] = scene.upstream.ports;
    assert.deepEqual([wordOf(at465?.verdict), at465?.login.outcome], ['auth', 'refused']);
    assert.deepEqual([wordOf(at587?.verdict), at587?.verdict.reason], ['auth', 'not-tried']);
    assert.deepEqual(at587?.login, { outcome: 'not-tried', detail: 'refused on port 465' });
    assert.ok(at587.secured !== undefined, 'what it offers is told all the same');
    assert.equal(scene.code, 69);
  });

  test('gets none delivered when the port that comes first refuses the login, though the other took it', async (context) => {
    const slowlyRefusing: Behind = {
      answer: async (line) => {
        if (line.startsWith('EHLO')) await delay(300); // so that 587 comes first here
        return line.startsWith('AUTH') ? '535 5.7.8 no\r\n' : undefined;
      },
    };
    const scene = await check(context, slowlyRefusing, {});
    if (scene === undefined) return;
    assert.deepEqual(words(scene), ['465 auth', '587 secured']);
    assert.equal(scene.code, 69);
  });

  test('is offered a password on one port while the other takes its time to refuse it', async (context) => {
    const scene = await check(
      context,
      {
        answer: async (line) => {
          if (!line.startsWith('AUTH')) return undefined;
          await delay(1_000);
          return '535 5.7.8 no\r\n';
        },
      },
      {
        answer: async (line) => {
          if (line.startsWith('EHLO')) await delay(200);
          return undefined;
        },
      },
    );
    if (scene === undefined) return;
    assert.deepEqual(scene.logins, { 465: 1, 587: 0 });
  });

  test('does not get a password after one port took all the time with it', async (context) => {
    const stalls: Partial<Script> = {
      answer: (line) => (line.startsWith('AUTH') ? SILENCE : undefined),
    };
    const scene = await check(context, stalls, {
      answer: async (line) => {
        if (line.startsWith('EHLO')) await delay(200);
        return undefined;
      },
    });
    if (scene === undefined) return;
    assert.deepEqual(scene.logins, { 465: 1, 587: 0 });
    assert.deepEqual(words(scene), ['465 lost', '587 auth']);
  });
});
