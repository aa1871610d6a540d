/**
 * A relay that is given secrets, and all that it says and keeps.
 *
 * Guarantees: log, replies, answers of the admin listener and files in its state directory are searched for every secret;
 * the file of a login alone may have some, with mode 0600.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AuthorizationServer, CLIENT_SECRET } from './authorization-server.ts';
import { echoingUpstream } from './echoing-upstream.ts';
import { TestAuthority } from './pki.ts';
import { PresentingClients } from './presenting-client.ts';
import { runSealpost, startRelay, type RelayProcess, type Variables } from './relay-process.ts';
import type { ScriptedUpstream } from './scripted-upstream.ts';
import { PlantedSecrets } from './secret-traces.ts';
import { statusEvents } from './status-events.ts';

export class CanaryStage {
  readonly authority: TestAuthority;
  readonly secrets: PlantedSecrets;
  readonly upstream: ScriptedUpstream;
  readonly provider: AuthorizationServer;
  readonly #directory = mkdtempSync(join(tmpdir(), 'sealpost-canaries-'));
  #files = 0;

  private constructor(authority: TestAuthority, secrets: PlantedSecrets, ends: Ends) {
    this.authority = authority;
    this.secrets = secrets;
    this.upstream = ends.upstream;
    this.provider = ends.provider;
  }

  static async open(): Promise<CanaryStage> {
    const [authority, secrets] = [new TestAuthority(), new PlantedSecrets()];
    const upstream = await echoingUpstream(authority, secrets);
    const provider = await AuthorizationServer.start(authority);
    secrets.keep('client secret', CLIENT_SECRET);
    const key = provider.serviceAccountKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    // Not the first line, which is the same in every key.
    for (const line of key.split('\n').slice(2, -2)) secrets.keep('service account key', line);
    return new CanaryStage(authority, secrets, { upstream, provider });
  }

  /** For a relay of its own, with what is said instead. */
  variables(more: Variables): Variables {
    return {
      SEALPOST_UPSTREAM: this.upstream.url,
      SEALPOST_HOSTNAME: 'relay.example.test',
      SEALPOST_TLS_CA_FILE: this.authority.caFile,
      SEALPOST_STATE_DIR: this.#path(),
      SEALPOST_ADMIN_LISTEN: '127.0.0.1:0',
      SEALPOST_LOG_LEVEL: 'debug',
      ...more,
    };
  }

  /** A file for a variable that ends in _FILE. */
  file(content: string): string {
    const path = this.#path();
    writeFileSync(path, content);
    return path;
  }

  /** Whatever is done with a relay. */
  async tellsNothing(
    variables: Variables,
    act: (clients: PresentingClients, relay: RelayProcess) => Promise<void>,
  ): Promise<void> {
    const relay = await startRelay(variables);
    const clients = new PresentingClients(relay.port(), this.secrets);
    try {
      await act(clients, relay);
      if (relay.child.exitCode === null) clients.heard.push(await adminAnswers(relay));
    } finally {
      await relay.stop();
    }
    this.#assertNoneIn(relay.output, 'the log');
    this.#assertNoneIn(clients.heard.join('\n'), 'an answer');
    this.#assertFiles(variables['SEALPOST_STATE_DIR'] ?? '');
  }

  /** @param meanwhile what is done while it runs @returns what it printed, and its exit code */
  async commandTellsNothing(
    args: readonly string[],
    variables: Variables,
    meanwhile?: (run: RelayProcess) => Promise<void>,
  ): Promise<{ readonly output: string; readonly code: number | null }> {
    const run = runSealpost(args, variables);
    const closed = once(run.child, 'close');
    await meanwhile?.(run);
    await closed;
    this.#assertNoneIn(run.output, `the output of ${args.join(' ')}`);
    return { output: run.output, code: run.child.exitCode };
  }

  async close(): Promise<void> {
    await this.upstream[Symbol.asyncDispose]();
    await this.provider[Symbol.asyncDispose]();
    this.authority.remove();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #assertNoneIn(text: string, where: string): void {
    for (const token of this.provider.issued) this.secrets.keep('token', token);
    this.secrets.assertNoneIn(text, where);
  }

  #path(): string {
    return join(this.#directory, String((this.#files += 1)));
  }

  #assertFiles(stateDirectory: string): void {
    if (!existsSync(stateDirectory)) return;
    for (const entry of readdirSync(stateDirectory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      if (/\/oauth\/[^/]+\.json$/.test(path)) assert.equal(statSync(path).mode & 0o777, 0o600);
      else this.#assertNoneIn(readFileSync(path, 'latin1'), path);
    }
  }
}

interface Ends {
  readonly upstream: ScriptedUpstream;
  readonly provider: AuthorizationServer;
}

async function adminAnswers(relay: RelayProcess): Promise<string> {
  const { port } = await relay.event('admin.started');
  const answers = ['/livez', '/readyz', '/metrics', '/'].map(async (path) => {
    const response = await fetch(`http://127.0.0.1:${String(port)}${path}`);
    return `${[...response.headers].join('\n')}\n${await response.text()}`;
  });
  return (await Promise.all([...answers, statusEvents(relay)])).join('\n');
}
