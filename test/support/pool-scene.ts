/**
 * A relay before a scripted upstream, for tests of the hops that it keeps.
 */
import assert from 'node:assert/strict';

import { TestAuthority } from './pki.ts';
import { startRelay, type RelayProcess, type Variables } from './relay-process.ts';
import { ScriptedUpstream, type Connection, type Script } from './scripted-upstream.ts';
import { SmtpDialog } from './smtp-dialog.ts';

export const MESSAGE = 'Subject: x\r\n\r\nHello';

export const authority = new TestAuthority();
export const identity = authority.issue({ san: 'DNS:localhost' });

export interface Scene extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly relay: RelayProcess;
}

export async function scene(script: Partial<Script> = {}, variables: Variables = {}): Promise<Scene> {
  const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity, ...script });
  const relay = await startRelay({
    SEALPOST_UPSTREAM: upstream.url,
    SEALPOST_TLS_CA_FILE: authority.caFile,
    SEALPOST_LOG_LEVEL: 'debug',
    ...variables,
  });
  return {
    upstream,
    relay,
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await relay.stop();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

/** One message in a connection of its own. @returns the code of the last reply */
export async function sendTo(relay: RelayProcess): Promise<number> {
  using client = await SmtpDialog.open(relay.port());
  return (await client.send(MESSAGE)).code;
}

export async function allDelivered(relay: RelayProcess, clients: number): Promise<void> {
  const sent = await Promise.all(Array.from({ length: clients }, async () => sendTo(relay)));
  assert.deepEqual(
    sent,
    sent.map(() => 250),
  );
}

/** Resolves when that many connections have said such a line. */
export async function said(upstream: ScriptedUpstream, verb: string, connections: number): Promise<void> {
  const count = (): number =>
    upstream.connections.filter(({ commands }) => commands.some((line) => line.startsWith(verb))).length;
  while (count() < connections) await upstream.changed();
}

export function verbsOf({ commands }: Connection): string {
  return commands.map((line) => line.split(' ')[0]).join(' ');
}

/** Connections that are open now. */
export function openAt(upstream: ScriptedUpstream): number {
  return upstream.connections.filter(({ closed }) => !closed).length;
}

/** A client that has begun a transaction, and so holds a hop. */
export async function holder(relay: RelayProcess): Promise<SmtpDialog> {
  const client = await SmtpDialog.open(relay.port());
  for (const line of ['EHLO holder', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@y.test>'])
    assert.equal((await client.command(line)).code, 250);
  return client;
}
