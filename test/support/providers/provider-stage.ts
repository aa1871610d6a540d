/**
 * A simulated provider, and a relay that takes it for the real one: in a mount namespace of its own, in which the
 * provider's names resolve to the simulation, and no other name resolves at all.
 *
 * Guarantees: the relay is the product as it is; nothing is asked of the machine's DNS.
 */
import { strict as assert } from 'node:assert';
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { AccountWish } from '../../../src/sandbox/provider/account.ts';
import type { Profile } from '../../../src/sandbox/provider/profile.ts';
import { INHERITED } from '../inherited-environment.ts';
import { ProviderSimulation } from './provider-simulation.ts';
import { TestAuthority } from '../pki.ts';
import { RelayProcess, type Variables } from '../relay-process.ts';
import { SmtpDialog, type DialogReply } from '../smtp-dialog.ts';

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));

/** One account; every character of it that means something in a URL or in a shell is meant. */
export const USER = 'device@example.test';
export const PASSWORD = 'p@ss:w/rd?#%41&+ "\'$x\\=;,!';

/** Issues the certificates of all simulations; the relay trusts it. */
export const authority = new TestAuthority('Provider test CA');

/** Why such a stage cannot be set up here; undefined when it can. */
export function whyNoStage(): string | undefined {
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'NOT TESTED: the relay needs a mount namespace with an /etc/hosts of its own, and ports below 1024; run as root';
  }
}

export interface StageOptions {
  readonly profile: Profile;
  /** One with USER and PASSWORD by default. */
  readonly account?: AccountWish;
  /** The relay's, but for credentials and the tests' authority. */
  readonly variables: Variables | ((simulation: ProviderSimulation) => Variables);
}

export class ProviderStage implements AsyncDisposable {
  readonly simulation: ProviderSimulation;
  readonly relay: RelayProcess;

  private constructor(simulation: ProviderSimulation, relay: RelayProcess) {
    this.simulation = simulation;
    this.relay = relay;
  }

  static async start({ profile, account, variables }: StageOptions): Promise<ProviderStage> {
    const wish = account ?? { user: USER, password: PASSWORD };
    const simulation = await ProviderSimulation.start({ profile, accounts: [wish], authority });
    const relay = new RelayProcess(
      startWhereResolved(simulation, {
        SEALPOST_UPSTREAM_USER: wish.user,
        SEALPOST_UPSTREAM_PASSWORD: wish.password,
        SEALPOST_TLS_CA_FILE: caFileOf(simulation),
        ...(typeof variables === 'function' ? variables(simulation) : variables),
      }),
    );
    try {
      await relay.event('listener.started');
    } catch (error) {
      await simulation[Symbol.asyncDispose]();
      throw error;
    }
    return new ProviderStage(simulation, relay);
  }

  /** What a client of its own is told in the end. */
  async send(from = USER, headerFrom = from): Promise<DialogReply> {
    using dialog = await SmtpDialog.open(this.relay.port());
    return await dialog.send(letter(headerFrom), from, 'somebody@example.org');
  }

  /** A client that keeps its connection. */
  async client(): Promise<SmtpDialog> {
    return SmtpDialog.open(this.relay.port());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay.stop();
    await this.simulation[Symbol.asyncDispose]();
  }
}

/** A stage with one preset. */
export async function startPreset(
  provider: string,
  profile: Profile,
  variables: Variables = {},
  account?: StageOptions['account'],
): Promise<ProviderStage> {
  return ProviderStage.start({
    profile,
    variables: { SEALPOST_PROVIDER: provider, ...variables },
    ...(account === undefined ? {} : { account }),
  });
}

export function letter(from: string): string {
  return `From: Device <${from}>\r\nTo: somebody@example.org\r\nSubject: scan\r\n\r\nThe page.`;
}

/** Of its key, for SEALPOST_TLS_PIN_SHA256. */
export function pinOf({ identity }: ProviderSimulation): string {
  return authority.pin(identity);
}

function caFileOf({ profile, identity }: ProviderSimulation): string {
  return profile.onlyAddress === undefined ? authority.caFile : authority.files(identity).certFile;
}

let hostFiles = 0;

function startWhereResolved(simulation: ProviderSimulation, variables: Variables): ReturnType<typeof spawn> {
  const { profile, address } = simulation;
  const names = profile.onlyAddress === undefined ? `${address} ${profile.hosts.join(' ')}\n` : '';
  const hosts = join(authority.directory, `hosts${(hostFiles += 1)}`);
  writeFileSync(hosts, `127.0.0.1 localhost\n${names}`);
  const prepare = `mount --bind "$1" /etc/hosts
[ ! -e /etc/resolv.conf ] || mount --bind /dev/null /etc/resolv.conf
shift; exec "$@"`;
  const env: Record<string, string> = {
    ...INHERITED,
    SEALPOST_LISTEN: '127.0.0.1:0',
    SEALPOST_HOSTNAME: 'relay.example.test',
  };
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) env[name] = value;
  return spawn('unshare', ['--mount', 'sh', '-ec', prepare, 'sh', hosts, process.execPath, CLI, 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** A reply of just these lines. */
export function assertLines(
  { code, lines, raw }: DialogReply,
  expected: number,
  patterns: readonly RegExp[],
): void {
  assert.equal(code, expected, raw);
  assert.equal(lines.length, patterns.length, raw);
  for (const [index, pattern] of patterns.entries()) assert.match(lines[index] ?? '', pattern);
}
