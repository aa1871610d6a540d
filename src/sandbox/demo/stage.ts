/**
 * What all scenes of the demo share: a directory of their own, certificates, the sandbox as the true upstream, and the
 * secrets at stake.
 *
 * Guarantees: everything is on loopback and under one temporary directory; both are gone when the stage is disposed of.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import { loadOrIssue, type LocalIdentity } from '../../certificates/local-authority.ts';
import { Sandbox, type Endpoint, type Envelope, type Store } from '../sandbox.ts';
import { handIn, type Message, type Outcome } from './legacy-client.ts';
import type { Narrator } from './narrator.ts';
import { RelayChild, type LogLine } from './relay-child.ts';

/** A message as an upstream has it. */
export interface Received {
  readonly envelope: Envelope;
  readonly content: string;
}

/** One message handed to one relay, to the end. */
export interface Attempt {
  readonly outcome: Outcome;
  /** What the relay logged. */
  readonly log: readonly LogLine[];
}

export interface Stage {
  /** Path of this package's command line program. */
  readonly cli: string;
  readonly narrator: Narrator;
  /** Ends the relay that is running, and with it everything that waits for it. */
  readonly signal: AbortSignal;
  /** Gone with the stage. */
  readonly directory: string;
  readonly identity: LocalIdentity;
  /** The upstream that the operator means; with a certificate from the local CA. */
  readonly sandbox: Sandbox;
  /** What the sandbox has received. */
  readonly received: Received[];
  readonly credentials: { readonly user: string; readonly password: string };
  readonly message: Message;
  /** Everything that no eavesdropper may learn. */
  readonly secrets: readonly string[];
  [Symbol.asyncDispose]: () => Promise<void>;
}

/** @param signal aborts what is under way; the stage must be disposed of all the same */
export async function openStage(cli: string, narrator: Narrator, signal: AbortSignal): Promise<Stage> {
  await using undo = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'sealpost-demo-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove); // the last resort, when nobody comes to dispose
  undo.defer(() => {
    process.removeListener('exit', remove);
    remove();
  });
  const identity = await loadOrIssue(directory);
  const credentials = { user: 'scanner', password: `pw-${randomBytes(8).toString('hex')}` };
  const received: Received[] = [];
  const sandbox = undo.use(await Sandbox.start({ identity, credentials, store: storeIn(received) }));
  const message = confidentialMessage();
  const secrets = [
    credentials.password,
    message.from,
    message.to,
    ...message.content.split('\r\n').filter(Boolean),
  ];
  const held = undo.move();
  const dispose = (): Promise<void> => held.disposeAsync();
  return {
    cli,
    narrator,
    signal,
    directory,
    identity,
    sandbox,
    received,
    credentials,
    message,
    secrets,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Keeps messages in memory. */
export function storeIn(received: Received[]): Store {
  return async (envelope, content) => {
    received.push({ envelope, content: (await buffer(content)).toString('latin1') });
  };
}

/** Starts a relay for this upstream, hands it the message and ends it. */
export async function attempt(stage: Stage, scheme: 'smtp' | 'smtps', upstream: Endpoint): Promise<Attempt> {
  const { user, password } = stage.credentials;
  const url = `${scheme}://${user}:${password}@localhost:${upstream.port}`;
  return attemptWith(stage, { SEALPOST_UPSTREAM: url });
}

/** The same, for a relay with such variables. */
export async function attemptWith(
  stage: Stage,
  variables: Readonly<Record<string, string>>,
): Promise<Attempt> {
  stage.signal.throwIfAborted();
  const all = {
    SEALPOST_TLS_CA_FILE: stage.identity.caFile,
    SEALPOST_HOSTNAME: 'relay.office.example',
    SEALPOST_STATE_DIR: join(stage.directory, 'relay'),
    ...variables,
  };
  await using relay = await RelayChild.start(stage.cli, all, stage.signal);
  const outcome = await handIn(await relay.port(), stage.message);
  return { outcome, log: await relay.stop() };
}

/** Lines that occur nowhere else, so that a search for them on the wire means something. */
function confidentialMessage(): Message {
  const token = randomBytes(6).toString('hex');
  return {
    from: 'scanner@office.example',
    to: 'payroll@customer.example',
    content: [
      'From: Scanner, 2nd floor <scanner@office.example>',
      'To: payroll@customer.example',
      `Subject: Confidential scan ${token}`,
      '',
      `Salary of employee ${token}: 4711.00 a month.`,
      '',
    ].join('\r\n'),
  };
}
