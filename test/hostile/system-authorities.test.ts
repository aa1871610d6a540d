/**
 * Which authorities count: the system's and the operator's, or the operator's alone.
 *
 * The relay gets a system of its own: a mount namespace in which the system's list of authorities has one that the tests
 * made. That takes root, like the ports of choice-of-endpoint.test.ts.
 */
import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { canaryMessage } from '../support/hostile-canary.ts';
import { assertClearText, assertOutput, assertRefusal } from '../support/hostile-judgement.ts';
import { attacker, genuine, GOOD_IDENTITY, sendPlainly } from '../support/hostile-stage.ts';
import { INHERITED } from '../support/inherited-environment.ts';
import { TestAuthority } from '../support/pki.ts';
import { RelayProcess, type Variables } from '../support/relay-process.ts';
import { ScriptedUpstream } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));
/** Where Debian's OpenSSL, and Node, look. */
const SYSTEM_LIST = '/etc/ssl/certs/ca-certificates.crt';

const system = new TestAuthority('System CA');
process.on('exit', () => system.remove());

const ofTheSystem = system.issue();
const unknown = attacker.issue();

const OWN = { SEALPOST_TLS_CA_FILE: genuine.caFile };

describe('Authorities', { concurrency: true, timeout: 60_000 }, () => {
  test("trusts the system's and the operator's", async () => {
    await using stage = await Stage.start(OWN);
    await stage.delivers(ofTheSystem);
    await stage.delivers(GOOD_IDENTITY);
    await stage.refuses(unknown);
  });

  test("trusts the system's without any other", async () => {
    await using stage = await Stage.start({});
    await stage.delivers(ofTheSystem);
    await stage.refuses(GOOD_IDENTITY);
  });

  test("trusts the operator's alone with SEALPOST_TLS_CA_ONLY", async () => {
    await using stage = await Stage.start({ ...OWN, SEALPOST_TLS_CA_ONLY: 'on' });
    await stage.refuses(ofTheSystem);
    await stage.delivers(GOOD_IDENTITY);
    await stage.refuses(unknown);
  });

  test("trusts the operator's alone with SEALPOST_TLS_CA_ONLY and Node's own lists asked for", async () => {
    await using stage = await Stage.start({
      ...OWN,
      SEALPOST_TLS_CA_ONLY: 'on',
      NODE_EXTRA_CA_CERTS: system.caFile,
      NODE_USE_SYSTEM_CA: '1',
      NODE_OPTIONS: '--use-system-ca',
    });
    await stage.refuses(ofTheSystem);
    await stage.delivers(GOOD_IDENTITY);
  });
});

class Stage {
  readonly #upstream: ScriptedUpstream;
  readonly #relay: RelayProcess;

  private constructor(upstream: ScriptedUpstream, relay: RelayProcess) {
    this.#upstream = upstream;
    this.#relay = relay;
  }

  static async start(variables: Variables): Promise<Stage> {
    const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: GOOD_IDENTITY });
    const relay = new RelayProcess(inOwnSystem({ ...variables, SEALPOST_UPSTREAM: upstream.url }));
    try {
      await relay.event('listener.started');
      return new Stage(upstream, relay);
    } catch (error) {
      await upstream[Symbol.asyncDispose]();
      throw error;
    }
  }

  async delivers(identity: typeof GOOD_IDENTITY): Promise<void> {
    assert.equal((await this.#send(identity)).code, 250);
    assert.equal(this.#upstream.messages.length, 1);
  }

  async refuses(identity: typeof GOOD_IDENTITY): Promise<void> {
    assertRefusal(await this.#send(identity), '451 4.7.5');
    assert.equal(this.#upstream.secured, '', 'nothing is said inside TLS to a stranger');
    const refused = this.#relay.log.findLast(({ event }) => event === 'hop.insecure');
    assert.equal(refused?.['resultType'], 'certificate-not-trusted');
  }

  async #send(identity: typeof GOOD_IDENTITY): Promise<DialogReply> {
    await this.#upstream.hangUp(); // else the hop that was verified before serves once more
    this.#upstream.play({ ...this.#upstream.script, identity });
    using dialog = await SmtpDialog.open(this.#relay.port());
    return await sendPlainly(dialog, canaryMessage(0));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay.stop();
    await this.#upstream[Symbol.asyncDispose]();
    assertClearText(this.#upstream);
    assertOutput(this.#relay);
  }
}

/** The relay where the system's list of authorities has one member. */
function inOwnSystem(variables: Variables): ReturnType<typeof spawn> {
  const mountAndRun = `mount --bind "$1" ${SYSTEM_LIST} && shift && exec "$@"`;
  const relay = [process.execPath, CLI, 'serve'];
  return spawn('unshare', ['--mount', 'sh', '-c', mountAndRun, 'sh', system.caFile, ...relay], {
    env: {
      ...INHERITED,
      SEALPOST_LISTEN: '127.0.0.1:0',
      SEALPOST_HOSTNAME: 'relay.example.test',
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
