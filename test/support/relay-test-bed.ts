/**
 * A relay and a scripted upstream that many tests of one file share; each test begins a scene of its own.
 *
 * Guarantees: a scene holds only what the upstream saw since it began; both ends are gone when the file is done, also
 * when it fails half way.
 */
import assert from 'node:assert/strict';

import { TestAuthority } from './pki.ts';
import { startRelay, type RelayProcess, type Variables } from './relay-process.ts';
import { GOOD_KEYWORDS, ScriptedUpstream } from './scripted-upstream.ts';
import type { Message, Script } from './scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from './smtp-dialog.ts';

/** What the upstream does otherwise than a good one, for the length of a scene. */
export type Play = Pick<Script, 'answer' | 'verdict' | 'onContent'>;

/** What the upstream saw since the scene began. */
export interface Scene {
  /** Command lines inside TLS. */
  readonly commands: readonly string[];
  readonly messages: readonly Message[];
}

interface Setting {
  readonly keywords?: readonly string[];
  readonly variables?: Variables;
  /** The keyword list at each EHLO; wins over `keywords`. */
  readonly keywordsNow?: () => readonly string[];
}

export const WITH_CHUNKING: readonly string[] = [...GOOD_KEYWORDS, 'CHUNKING'];

/** The parts of a mail transaction among command lines; RSET and NOOP are the relay's own business. */
export function mailCommands(scene: Scene): readonly string[] {
  return scene.commands.filter((line) => /^(?:MAIL|RCPT|DATA|BDAT)\b/i.test(line));
}

/** Sends command lines one by one and expects each to be accepted; gives the last reply. */
export async function accepted(client: SmtpDialog, ...lines: readonly string[]): Promise<DialogReply> {
  let last: DialogReply | undefined;
  for (const line of lines) {
    last = await client.command(line);
    assert.ok(last.code < 400, `${line} drew ${last.raw}`);
  }
  if (last === undefined) throw new Error('no command was given');
  return last;
}

/** A play that answers some verbs with fixed replies (CRLF is added). */
export function answering(replies: Readonly<Record<string, string>>): Play {
  return {
    answer: (line) => {
      const reply = replies[line.split(' ', 1)[0]?.toUpperCase() ?? ''];
      return reply === undefined ? undefined : `${reply}\r\n`;
    },
  };
}

export class RelayTestBed {
  readonly authority: TestAuthority;
  readonly upstream: ScriptedUpstream;
  readonly relay: RelayProcess;
  readonly #stage: Stage;

  private constructor(
    stage: Stage,
    ends: { authority: TestAuthority; upstream: ScriptedUpstream; relay: RelayProcess },
  ) {
    this.#stage = stage;
    this.authority = ends.authority;
    this.upstream = ends.upstream;
    this.relay = ends.relay;
  }

  static async start(setting: Setting = {}): Promise<RelayTestBed> {
    const authority = new TestAuthority();
    const stage = new Stage();
    const keywords = setting.keywordsNow ?? ((): readonly string[] => setting.keywords ?? GOOD_KEYWORDS);
    const upstream = await ScriptedUpstream.start(stage.script(authority, keywords));
    const relay = await startRelay({
      SEALPOST_UPSTREAM: upstream.url,
      SEALPOST_TLS_CA_FILE: authority.caFile,
      ...setting.variables,
    });
    process.once('exit', () => relay.child.kill('SIGKILL')); // nothing outlives a test file that broke off
    return new RelayTestBed(stage, { authority, upstream, relay });
  }

  /** Forgets what was seen and takes a new play. */
  begin(play: Play = {}): Scene {
    return this.#stage.begin(play);
  }

  /** Resolves when the scene has that many messages. */
  async received(scene: Scene, count: number): Promise<void> {
    const before = this.upstream.messages.length - scene.messages.length;
    await this.upstream.received(before + count);
  }

  /** A client that has read the greeting. */
  async client(): Promise<SmtpDialog> {
    return SmtpDialog.open(this.relay.port());
  }

  /** Sends one whole message in a connection of its own: the proof that the relay still serves. */
  async delivers(): Promise<void> {
    this.begin();
    using client = await this.client();
    const reply = await client.send('Subject: still here\r\n\r\nHello');
    assert.equal(reply.code, 250, reply.raw);
  }

  async stop(): Promise<void> {
    await this.relay.stop();
    await this.upstream[Symbol.asyncDispose]();
    this.authority.remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** What the upstream's script looks up at each event. */
class Stage {
  #play: Play = {};
  #commands: string[] = [];
  #messages: Message[] = [];

  begin(play: Play): Scene {
    this.#play = play;
    this.#commands = [];
    this.#messages = [];
    return { commands: this.#commands, messages: this.#messages };
  }

  script(authority: TestAuthority, keywords: () => readonly string[]): Script {
    return {
      mode: 'implicit',
      identity: authority.issue(),
      get keywords() {
        return keywords();
      },
      answer: async (line, at) => {
        this.#commands.push(line);
        return this.#play.answer?.(line, at);
      },
      verdict: async (message, at) => {
        const messages = this.#messages;
        const verdict = (await this.#play.verdict?.(message, at)) ?? '250 2.0.0 Queued as 4711\r\n';
        messages.push(message);
        return verdict;
      },
      onContent: (octets, at) => this.#play.onContent?.(octets, at),
    };
  }
}
