/**
 * A relay process whose upstream plays one hostile script after the other, and the one judgement on what came of each.
 *
 * Guarantees: every attack ends in `judge`: clear text was EHLO, STARTTLS and QUIT only, no canary was seen where the
 * peer was not authenticated, nothing was delivered, the client was told what the failure table says, the log names the
 * TLS failure, no output of the relay holds a canary, and the same relay then delivers an innocent message.
 */
import { strict as assert } from 'node:assert';
import { once } from 'node:events';

import { canaryMessage, CANARY_PASSWORD, type CanaryMessage } from './hostile-canary.ts';
import { assertClearText, assertOutput, assertRefusal } from './hostile-judgement.ts';
import { TestAuthority, type Identity } from './pki.ts';
import { startRelay, type LogLine, type RelayProcess, type Variables } from './relay-process.ts';
import { GOOD_KEYWORDS, ScriptedUpstream, type Script } from './scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from './smtp-dialog.ts';

/** The authority that the relays under test trust, and one that they must not. */
export const genuine = new TestAuthority('Genuine test CA');
export const attacker = new TestAuthority('Attacker CA');
process.on('exit', () => {
  genuine.remove();
  attacker.remove();
});

/** A good certificate for localhost. */
export const GOOD_IDENTITY: Identity = genuine.issue();

/** The whole matrix is run in each of these. */
export const ENVIRONMENTS: readonly { readonly name: string; readonly variables: Variables }[] = [
  { name: 'in a clean environment', variables: {} },
  {
    name: 'with every switch of Node set against verification',
    variables: {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      NODE_EXTRA_CA_CERTS: attacker.caFile,
      SSL_CERT_FILE: attacker.caFile,
      NODE_OPTIONS: '--tls-min-v1.0 --tls-cipher-list=ALL:@SECLEVEL=0',
    },
  },
];

export interface Setting {
  /** How the relay is told to begin TLS, whatever the upstream then does. */
  readonly scheme: 'smtp' | 'smtps';
  /** `localhost` by default. */
  readonly host?: string;
  /** `user:password`, for the URL; by default both are variables. */
  readonly credentials?: string;
  /** `pin=…&server-name=…` */
  readonly query?: string;
  /** What the innocent upstream shows; `GOOD_IDENTITY` by default. */
  readonly identity?: Identity;
  readonly variables?: Variables;
}

/** The relay lingers for two seconds after QUIT. */
const HANG_UP_MS = 5_000;

/** What a script changes about the innocent upstream. */
export type Deviation = Partial<Omit<Script, 'port' | 'host'>>;

export interface Attack {
  /** The guarantee, as a sentence without subject. */
  readonly name: string;
  readonly script: Deviation;
  /** Basic and enhanced code of the refusal. */
  readonly reply: string;
  /** What `hop.insecure` must say; without it the failure is not one of TLS and no such event is allowed. */
  readonly insecure?: readonly [resultType: string, reason: RegExp];
  /** The peer is authenticated and misbehaves inside TLS; else nothing at all may arrive inside TLS. */
  readonly isAuthenticated?: boolean;
  /** The upstream has the whole message but never said that it took it. */
  readonly isComplete?: boolean;
  /** The event that reports the outcome; `transaction.refused` by default. */
  readonly logged?: 'transaction.unknown' | 'recipient.refused';
  /** The upstream did nothing that ends a hop, so it may stay open. */
  readonly keepsHop?: boolean;
  /** Sends the message in another way than `SmtpDialog.send`. */
  readonly send?: Send;
  /** What is asserted beyond the judgement. */
  readonly also?: (reply: DialogReply, stage: HostileStage) => void | Promise<void>;
}

/** A client's whole dialog for one message: gives the last reply. */
export type Send = (
  dialog: SmtpDialog,
  message: CanaryMessage,
  stage: HostileStage,
) => DialogReply | Promise<DialogReply>;

export class HostileStage {
  readonly relay: RelayProcess;
  readonly upstream: ScriptedUpstream;
  readonly #innocent: Script;
  #messages = 0;
  #logBegin = 0;
  #outputBegin = 0;

  private constructor(relay: RelayProcess, upstream: ScriptedUpstream) {
    this.relay = relay;
    this.upstream = upstream;
    this.#innocent = upstream.script;
  }

  static async start(setting: Setting, environment: Variables = {}): Promise<HostileStage> {
    const { scheme, host = 'localhost', credentials, query, identity = GOOD_IDENTITY, variables } = setting;
    const mode = scheme === 'smtps' ? 'implicit' : 'starttls';
    await using starting = new AsyncDisposableStack();
    const upstream = starting.use(await ScriptedUpstream.start({ mode, identity }));
    const login = credentials === undefined ? '' : `${credentials}@`;
    const inUrl = credentials !== undefined;
    const search = query === undefined ? '' : `?${query}`;
    const relay = await startRelay({
      SEALPOST_UPSTREAM: `${scheme}://${login}${host}:${upstream.port}${search}`,
      SEALPOST_UPSTREAM_USER: inUrl ? undefined : 'relay-user',
      SEALPOST_UPSTREAM_PASSWORD: inUrl ? undefined : CANARY_PASSWORD,
      SEALPOST_TLS_CA_FILE: genuine.caFile,
      SEALPOST_LOG_LEVEL: 'debug',
      ...environment,
      ...variables,
    });
    starting.move();
    return new HostileStage(relay, upstream);
  }

  /** Log lines since the present attack began. */
  get log(): readonly LogLine[] {
    return this.relay.log.slice(this.#logBegin);
  }

  /** The first event of that name since the present attack began, logged already or not. */
  async event(name: string): Promise<LogLine> {
    return this.relay.event(name, (line) => this.relay.log.indexOf(line) >= this.#logBegin);
  }

  /** Plays the attack to a client that sends one message, and judges. */
  async refuses(attack: Attack): Promise<void> {
    this.begin(attack.script);
    const message = canaryMessage((this.#messages += 1));
    using dialog = await SmtpDialog.open(this.relay.port());
    const reply = await (attack.send ?? sendPlainly)(dialog, message, this);
    assertRefusal(reply, attack.reply);
    await this.#judge(attack, reply);
    await attack.also?.(reply, this);
    assert.equal((await dialog.command('RSET')).code, 250, 'the session goes on after the refusal');
    assert.equal((await dialog.command('QUIT')).code, 221, 'the session goes on after the refusal');
    await this.delivers({});
  }

  /** Plays an innocent upstream, however odd, and asserts that the message arrives inside verified TLS. */
  async delivers(script: Deviation, send: Send = sendPlainly): Promise<void> {
    this.begin(script);
    const message = canaryMessage((this.#messages += 1));
    using dialog = await SmtpDialog.open(this.relay.port());
    const reply = await send(dialog, message, this);
    assert.equal(
      reply.code,
      250,
      `an innocent upstream's message is delivered: ${reply.raw}\n${this.relay.output}`,
    );
    const [received, ...others] = this.upstream.messages;
    assert.equal(others.length, 0, 'one message arrives once');
    assert.ok(
      received !== undefined && received.content.includes(message.content),
      'the message arrives whole',
    );
    assert.ok(received.mail.includes(message.from), 'the reverse-path arrives');
    assertClearText(this.upstream);
    assertOutput(this.relay, this.#outputBegin);
    await this.upstream.hangUp();
  }

  /** Ends the relay, which must have survived everything. */
  async end(): Promise<void> {
    const code = await this.relay.stop();
    await this.upstream[Symbol.asyncDispose]();
    assert.equal(code, 0, `the relay ends in order:\n${this.relay.output}`);
  }

  /** Ends everything, whatever state it is in. */
  async abandon(): Promise<void> {
    this.relay.child.kill('SIGKILL');
    await this.upstream[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  /** Plays this script from now on, and forgets what was recorded before. */
  begin(script: Deviation): void {
    this.upstream.play({ ...this.#innocent, ...script });
    this.#logBegin = this.relay.log.length;
    this.#outputBegin = this.relay.output.length;
  }

  async #judge(attack: Attack, reply: DialogReply): Promise<void> {
    if (attack.keepsHop === true) await this.upstream.hangUp();
    else await this.#hungUp();
    assertClearText(this.upstream);
    const { secured, messages } = this.upstream;
    if (attack.logged === 'transaction.unknown') assert.match(reply.raw, /may have been delivered/);
    if (attack.isAuthenticated !== true)
      assert.equal(secured, '', 'nothing is said inside TLS to a stranger');
    if (attack.isComplete !== true) assert.equal(messages.length, 0, 'no message arrives');
    await this.#assertLog(attack);
    assertOutput(this.relay, this.#outputBegin);
  }

  /** A hop that was attacked must go, and at once: whatever state the upstream is in, nobody may inherit it. */
  async #hungUp(): Promise<void> {
    const late = AbortSignal.timeout(HANG_UP_MS);
    await Promise.race([this.upstream.idle(0), once(late, 'abort')]);
    assert.ok(!late.aborted, 'the relay hangs up on an upstream that broke the rules');
  }

  async #assertLog({ insecure, isAuthenticated, logged }: Attack): Promise<void> {
    await this.event(logged ?? 'transaction.refused');
    const events = this.log.map((line) => line.event);
    if (isAuthenticated !== true) assert.ok(!events.includes('hop.secured'), 'no hop counts as secured');
    if (insecure === undefined) {
      assert.ok(!events.includes('hop.insecure'), `not a failure of TLS: ${JSON.stringify(this.log)}`);
      return;
    }
    const line = await this.event('hop.insecure');
    assert.equal(line['resultType'], insecure[0]);
    assert.match(String(line['reason']), insecure[1]);
    assert.equal(line['port'], this.upstream.port);
    assert.match(String(line['phase']), /^(?:starttls|handshake)$/);
  }
}

/** Attacks by a peer that proved its name and misbehaves all the same. */
export function authenticated(attacks: readonly Attack[]): readonly Attack[] {
  return attacks.map((attack): Attack => ({ isAuthenticated: true, ...attack }));
}

/** The innocent list without one keyword, or with others. */
export function keywords(without: readonly string[], ...added: readonly string[]): readonly string[] {
  return [...GOOD_KEYWORDS.filter((keyword) => !without.some((word) => keyword.startsWith(word))), ...added];
}

/** The client's whole dialog, up to the first refusal. */
export async function sendPlainly(dialog: SmtpDialog, message: CanaryMessage): Promise<DialogReply> {
  return dialog.send(message.content, message.from, message.to);
}
