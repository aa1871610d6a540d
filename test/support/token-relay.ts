/**
 * The whole relay with access tokens: a real authorization server on one side, an upstream that asks it on the other.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AuthorizationServer, CLIENT_SECRET } from './authorization-server.ts';
import { USER } from './oauth-bed.ts';
import { TestAuthority } from './pki.ts';
import { startRelay, type RelayProcess, type Variables } from './relay-process.ts';
import { ScriptedUpstream } from './scripted-upstream.ts';
import { SmtpDialog } from './smtp-dialog.ts';
import { TokenUpstream } from './token-upstream.ts';

const MESSAGE = 'Subject: scan\r\n\r\nA page.';
const BOTH = 'AUTH LOGIN PLAIN XOAUTH2 OAUTHBEARER';

export const authority = new TestAuthority();
export const directory = mkdtempSync(join(tmpdir(), 'sealpost-oauth-relay-'));
let states = 0;

export interface TokenRelay extends AsyncDisposable {
  readonly server: AuthorizationServer;
  readonly tokens: TokenUpstream;
  readonly upstream: ScriptedUpstream;
  readonly relay: RelayProcess;
}

export interface TokenRelayWish {
  readonly variables?: Variables;
  readonly auth?: string;
  readonly server?: AuthorizationServer;
  readonly tokenBits?: number;
}

export async function start({
  variables = {},
  auth = BOTH,
  tokenBits = 256,
  ...wish
}: TokenRelayWish = {}): Promise<TokenRelay> {
  const server = wish.server ?? (await AuthorizationServer.start(authority, { tokenBits }));
  const tokens = new TokenUpstream(server);
  const upstream = await ScriptedUpstream.start({
    mode: 'implicit',
    identity: authority.issue(),
    keywords: ['PIPELINING', '8BITMIME', auth],
    answer: tokens.answer,
  });
  const relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_UPSTREAM_USER: USER,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_STATE_DIR: join(directory, `state${(states += 1)}`),
    SEALPOST_LOG_LEVEL: 'debug',
    SEALPOST_OAUTH_GRANT: 'client-credentials',
    SEALPOST_OAUTH_TOKEN_URL: server.tokenUrl,
    SEALPOST_OAUTH_CLIENT_ID: 'secret-client',
    SEALPOST_OAUTH_CLIENT_SECRET: CLIENT_SECRET,
    SEALPOST_OAUTH_SCOPE: 'mail',
    ...variables,
  });
  return {
    server,
    tokens,
    upstream,
    relay,
    [Symbol.asyncDispose]: async () => {
      await relay.stop();
      await upstream[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export async function send({ relay }: TokenRelay): Promise<string> {
  using client = await SmtpDialog.open(relay.port());
  return (await client.send(MESSAGE)).raw;
}

/** MAIL alone, where the hop is opened. */
export async function mail({ relay }: TokenRelay): Promise<string> {
  using client = await SmtpDialog.open(relay.port());
  await client.command('EHLO client.test');
  return (await client.command('MAIL FROM:<a@example.test>')).raw;
}

/** Neither what it gave out nor what it was given. */
export function assertNoSecret(output: string, { server }: TokenRelay): void {
  const secrets = [CLIENT_SECRET, ...server.issued];
  for (const secret of secrets)
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)])
      assert.ok(!output.includes(form.slice(0, 20)), `a secret is in the output:\n${output}`);
}

/** When all tests are done. */
export function removeAll(): void {
  authority.remove();
  rmSync(directory, { recursive: true, force: true });
}
