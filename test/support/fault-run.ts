/**
 * Every fault at every phase: one relay, and for each case a proxy and an upstream of its own, told apart by the sender.
 *
 * Guarantees: each message is accounted for with the upstream's own list; after each case the same hop's upstream,
 * healed, takes a message again.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FAULTS, FaultProxy, type Fault } from './fault-proxy.ts';
import { armed, MANNERS, type Manner, type PhaseName, type Strike } from './fault-phases.ts';
import { TestAuthority, type Identity } from './pki.ts';
import { startRelay, type RelayProcess, type Variables } from './relay-process.ts';
import { ScriptedUpstream, type Script } from './scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from './smtp-dialog.ts';

export interface Case {
  readonly manner: Manner;
  readonly phase: PhaseName;
  readonly fault: Fault;
}

export interface Result extends Case {
  /** The command that drew the last reply. */
  readonly command: string;
  readonly reply: DialogReply;
  /** How often the upstream has the message, in the end. */
  readonly delivered: number;
  /** The spool took it. */
  readonly isSpooled: boolean;
}

/** What has no direction can befall a connection before anything was said; only who does not listen refuses. */
const AT_CONNECT: readonly Fault[] = ['refuse', 'blackhole', 'delay', 'throttle', 'half-close'];
const AT_IDLE: readonly Fault[] = ['reset', 'blackhole', 'delay', 'half-close', 'throttle'];

/** Above what the slow faults take; a blackhole costs this much. */
const PATIENCE_SECONDS = '8';
const AT_ONCE = 32;
const CONTENT = `Subject: fault\r\n\r\n${`${'x'.repeat(98)}\r\n`.repeat(1_000)}`;
/** A client tries again; a hop that was being opened when the fault ended may still fail. */
const TRIES = 3;

export function allCases(): readonly Case[] {
  return MANNERS.flatMap((manner) =>
    manner.phases.flatMap((phase) => faultsAt(phase).map((fault) => ({ manner, phase, fault }))),
  );
}

export function faultsAt(phase: PhaseName): readonly Fault[] {
  if (phase === 'connect') return AT_CONNECT;
  if (phase === 'idle') return AT_IDLE;
  return FAULTS.filter((fault) => fault !== 'refuse');
}

/** Plays all cases, some at once. */
export async function playAll(cases: readonly Case[]): Promise<readonly Result[]> {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.adopt(mkdtempSync(join(tmpdir(), 'sealpost-faults-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const plain = await playTogether(cases.filter(({ manner }) => !manner.isSpooled));
  const spooled = await playTogether(
    cases.filter(({ manner }) => manner.isSpooled),
    { SEALPOST_SPOOL: `file:${directory}` },
  );
  return [...plain, ...spooled];
}

/** Before one relay. */
async function playTogether(cases: readonly Case[], variables: Variables = {}): Promise<readonly Result[]> {
  await using cleanup = new AsyncDisposableStack();
  const authority = cleanup.adopt(new TestAuthority(), (one) => one.remove());
  const identity = authority.issue();
  const stages: Stage[] = [];
  for (const [index, one] of cases.entries())
    stages.push(cleanup.use(await Stage.open(one, `C${index}`, identity)));
  const relay = cleanup.use(await startRelay({ ...relayVariables(stages, authority), ...variables }));
  relay.child.setMaxListeners(0); // many wait for its events
  const results: Result[] = [];
  const left = [...stages];
  const worker = async (): Promise<void> => {
    for (let stage = left.shift(); stage !== undefined; stage = left.shift())
      results.push(await stage.play(relay));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  assert.ok(!relay.output.includes('internal.error'), relay.output);
  return results;
}

function relayVariables(stages: readonly Stage[], { caFile }: TestAuthority): Variables {
  const [first] = stages;
  const variables: Record<string, string | undefined> = {
    SEALPOST_UPSTREAM: first?.url,
    SEALPOST_TLS_CA_FILE: caFile,
    SEALPOST_CONNECT_TIMEOUT: PATIENCE_SECONDS,
    SEALPOST_COMMAND_TIMEOUT: PATIENCE_SECONDS,
    SEALPOST_FINAL_TIMEOUT: PATIENCE_SECONDS,
    SEALPOST_ROUTES: stages.map(({ name, sender }) => `from=${sender} -> ${name}`).join('\n'),
  };
  for (const { name, url } of stages) {
    variables[`SEALPOST_UPSTREAM_${name}_URL`] = url;
    variables[`SEALPOST_UPSTREAM_${name}_USER`] = 'user';
    variables[`SEALPOST_UPSTREAM_${name}_PASSWORD`] = 'password';
  }
  return variables;
}

class Stage implements AsyncDisposable {
  readonly name: string;
  readonly #case: Case;
  readonly #upstream: ScriptedUpstream;
  readonly #proxy: FaultProxy;
  readonly #live: { script: Partial<Script> };

  private constructor(
    one: Case,
    name: string,
    ends: { upstream: ScriptedUpstream; proxy: FaultProxy; live: { script: Partial<Script> } },
  ) {
    this.#case = one;
    this.name = name;
    this.#upstream = ends.upstream;
    this.#proxy = ends.proxy;
    this.#live = ends.live;
  }

  static async open(one: Case, name: string, identity: Identity): Promise<Stage> {
    const live: { script: Partial<Script> } = { script: {} };
    const { mode, keywords } = one.manner;
    const upstream = await ScriptedUpstream.start({
      mode,
      keywords,
      identity,
      answer: async (line, at) => live.script.answer?.(line, at),
      verdict: async (message, at) =>
        (await live.script.verdict?.(message, at)) ?? '250 2.0.0 Queued as 4711\r\n',
      onConnection: (at) => live.script.onConnection?.(at),
      onSecure: (at) => live.script.onSecure?.(at),
    });
    return new Stage(one, name, { upstream, proxy: await FaultProxy.start(upstream.port), live });
  }

  get url(): string {
    return `${this.#case.manner.mode === 'implicit' ? 'smtps' : 'smtp'}://localhost:${this.#proxy.port}`;
  }

  get sender(): string {
    return `${this.name}@x.test`;
  }

  async play(relay: RelayProcess): Promise<Result> {
    const { manner, phase, fault } = this.#case;
    if (manner.isKept) await this.#delivers(relay, 'warm');
    const strike: Strike = (link, way, after) => {
      if (fault === 'refuse') throw new Error('only a port refuses');
      if (after === undefined) link.strike(fault, way);
      else link.strikeAfter(after, fault);
    };
    if (fault === 'refuse') this.#proxy.refuse();
    else this.#live.script = armed(phase, this.#proxy, strike);
    const { command, reply } = await this.#send(relay, 'struck');
    await this.#heal();
    await this.#delivers(relay, 'healed');
    const [, id] = /Kept in the spool as (\w+)/.exec(reply.raw) ?? [];
    if (id !== undefined) await relay.event('spool.delivered', (line) => line['tid'] === id);
    const isSpooled = id !== undefined;
    return { ...this.#case, command, reply, delivered: this.#has('struck'), isSpooled };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#proxy[Symbol.asyncDispose]();
    await this.#upstream[Symbol.asyncDispose]();
  }

  /** The fault is over, and what it hurt is gone: hops that a blackhole left behind are no longer there. */
  async #heal(): Promise<void> {
    this.#live.script = {};
    this.#proxy.onLink = undefined;
    this.#proxy.onOctets = undefined;
    await this.#proxy.listen();
    for (const link of this.#proxy.links) link.reset();
  }

  async #delivers(relay: RelayProcess, label: string): Promise<void> {
    const { manner, phase, fault } = this.#case;
    let { reply } = await this.#send(relay, label);
    for (let tried = 1; tried < TRIES && reply.code !== 250; tried += 1)
      ({ reply } = await this.#send(relay, label));
    assert.equal(reply.code, 250, `${label}, ${manner.title}, ${fault} at ${phase}: ${reply.raw}`);
    assert.equal(this.#has(label), 1);
  }

  async #send(relay: RelayProcess, label: string): Promise<{ command: string; reply: DialogReply }> {
    using client = await SmtpDialog.open(relay.port());
    for (const command of [
      'EHLO client.test',
      `MAIL FROM:<${this.sender}>`,
      `RCPT TO:<${label}@y.test>`,
      'DATA',
    ]) {
      const reply = await client.command(command);
      if (reply.code >= 400) return { command: command.slice(0, 4), reply };
    }
    client.write(`${CONTENT}\r\n.\r\n`);
    return { command: 'content', reply: await client.reply() };
  }

  #has(label: string): number {
    return this.#upstream.messages.filter(({ rcpts }) => rcpts.some((rcpt) => rcpt.includes(`<${label}@`)))
      .length;
  }
}
