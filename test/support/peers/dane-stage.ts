/**
 * Upstreams with DNS of their own behind a validating resolver, a relay for each case, and the one judgement on it.
 *
 * Guarantees: a refusal is asserted whole (reply, event, nothing said to the peer), and has an innocent twin that is
 * delivered; every upstream asks for a password that must not be seen.
 */
import assert from 'node:assert/strict';

import { assertClearText, assertOutput, assertRefusal } from '../hostile-judgement.ts';
import { canaryMessage, CANARY_PASSWORD } from '../hostile-canary.ts';
import { TestAuthority, type Identity } from '../pki.ts';
import { startRelay, type RelayProcess, type Variables } from '../relay-process.ts';
import { ScriptedUpstream, type Script } from '../scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../smtp-dialog.ts';
import { startDnssec, type Dnssec, type ZoneKind, type ZoneRecords } from './dnssec.ts';

/** What never comes is a failure, not a wait without end. */
export const LIMIT = { timeout: 60_000 };

/** The authority of SEALPOST_TLS_CA_FILE, and one of the domain's own, which nobody trusts unless a record says so. */
export const trusted = new TestAuthority('Trusted test CA');
export const own = new TestAuthority('Own CA of the domain');
process.on('exit', () => {
  trusted.remove();
  own.remove();
});

export const ZONES: readonly string[] = [
  'secure',
  'insecure',
  'island',
  'bogus',
  'expired',
  'silent',
  'refused',
];

/** All that PKIX asks for, in every zone. */
export const WELL_KNOWN = trusted.issue({ san: ZONES.map((zone) => `DNS:smtp.${zone}.test`).join() });
/** Vouched for by nobody. */
export const SELF_SIGNED = own.issue({ selfSigned: true, san: 'DNS:smtp.secure.test' });

export type Policy = 'off' | 'when-published' | 'require';
export const POLICIES: readonly Policy[] = ['when-published', 'require'];

export interface Delivered {
  readonly by: 'pkix' | 'dane-ee' | 'dane-ta';
  /** `name` of `hop.secured`. */
  readonly name?: string;
}

export interface Refused {
  readonly resultType: string;
  readonly reason: RegExp;
  /** `handshake` by default; at `resolve` no connection is made at all. */
  readonly phase?: 'resolve' | 'handshake';
  /** How the same upstream is delivered to, with what is changed here: by the same relay, unless host or policy is. */
  readonly twin: Partial<Scene> & Delivered;
}

/** What a relay is told, and what the upstream shows. */
export interface Scene {
  readonly presents: Identity;
  /** `smtp.secure.test` by default. */
  readonly host?: string;
  readonly policy?: Policy;
  readonly variables?: ((stage: DaneStage) => Variables) | undefined;
}

export interface DaneCase extends Scene {
  /** The guarantee, as a sentence without subject. */
  readonly name: string;
  readonly mode?: Script['mode'];
  /** What the server shows from the second handshake on, when it changes its mind. */
  readonly thenPresents?: Identity;
  /** What DNS says about the upstream on that port. */
  readonly records?: (port: number) => Partial<Readonly<Record<ZoneKind, readonly string[]>>>;
  /** Owner of a TLSA record in `secure.test`, without its port, whose signature is spoiled. */
  readonly spoiled?: string;
  readonly expected: Delivered | Refused;
}

/** A line of `secure.test` for each record: `3 1 1 …`, of the server `smtp` by default. */
export function tlsaOf(
  ...records: readonly string[]
): (port: number) => { readonly secure: readonly string[] } {
  return (port) => ({ secure: tlsaLines(port, records) });
}

export function tlsaLines(port: number, records: readonly string[], host = 'smtp'): readonly string[] {
  return records.map((record) => `_${port}._tcp.${host} IN TLSA ${record}`);
}

/** The same under every policy. */
export function underEach(policies: readonly Policy[], one: DaneCase): readonly DaneCase[] {
  return policies.map((policy) => ({ ...one, policy, name: `${one.name} (${policy})` }));
}

export class DaneStage implements AsyncDisposable {
  readonly dnssec: Dnssec;
  readonly #upstreams: ReadonlyMap<DaneCase, ScriptedUpstream>;
  readonly #started: AsyncDisposableStack;
  #messages = 0;

  private constructor(
    dnssec: Dnssec,
    upstreams: ReadonlyMap<DaneCase, ScriptedUpstream>,
    started: AsyncDisposableStack,
  ) {
    this.dnssec = dnssec;
    this.#upstreams = upstreams;
    this.#started = started;
  }

  /** @param identity of the resolver, for DNS over TLS */
  static async start(
    cases: readonly DaneCase[],
    { identity, ...common }: { readonly identity?: Identity } & ZoneRecords = {},
  ): Promise<DaneStage> {
    await using started = new AsyncDisposableStack();
    const upstreams = new Map<DaneCase, ScriptedUpstream>();
    for (const one of cases) {
      upstreams.set(one, started.use(await ScriptedUpstream.start(scriptOf(one))));
    }
    const dnssec = await startDnssec({
      ...(identity === undefined ? {} : { identity }),
      ...zonesOf(
        [...upstreams].map(([one, { port }]) => ({ one, port })),
        common,
      ),
    });
    started.use(dnssec);
    return new DaneStage(dnssec, upstreams, started.move());
  }

  /** Plays the case, and its twin where it is a refusal. */
  async judge(one: DaneCase): Promise<void> {
    const upstream = this.#upstreams.get(one);
    if (upstream === undefined) throw new Error('no such case on this stage');
    const { expected } = one;
    await using relay = await this.relay(sceneAt(upstream, one));
    if (!('resultType' in expected)) return await this.assertDelivered(relay, upstream, expected);
    await this.assertRefused(relay, upstream, expected);
    const { twin } = expected;
    upstream.play({ ...upstream.script, identity: twin.presents ?? one.presents });
    if (twin.host === undefined && twin.policy === undefined)
      return await this.assertDelivered(relay, upstream, twin);
    await using other = await this.relay(sceneAt(upstream, { ...one, ...twin }));
    return await this.assertDelivered(other, upstream, twin);
  }

  /** A relay with a password that nobody may see. */
  async relay({
    policy = 'when-published',
    variables,
  }: Pick<Scene, 'policy' | 'variables'>): Promise<RelayProcess> {
    return startRelay({
      SEALPOST_UPSTREAM_USER: 'relay-user',
      SEALPOST_UPSTREAM_PASSWORD: CANARY_PASSWORD,
      SEALPOST_TLS_CA_FILE: trusted.caFile,
      SEALPOST_TLS_DANE: policy,
      SEALPOST_DNS_RESOLVER: this.dnssec.resolver,
      SEALPOST_LOG_LEVEL: 'debug',
      ...variables?.(this),
    });
  }

  /** Sends one message in a connection of its own. */
  async send(relay: RelayProcess): Promise<DialogReply> {
    const { content, from, to } = canaryMessage((this.#messages += 1));
    using dialog = await SmtpDialog.open(relay.port());
    return await dialog.send(content, from, to);
  }

  async assertDelivered(
    relay: RelayProcess,
    upstream: ScriptedUpstream,
    { by, name }: Delivered,
  ): Promise<void> {
    const reply = await this.send(relay);
    assert.equal(reply.code, 250, `${reply.raw}\n${relay.output}`);
    assert.equal(upstream.messages.length, 1);
    const secured = await relay.event('hop.secured');
    assert.equal(secured['authenticatedBy'], by);
    if (name !== undefined) assert.equal(secured['name'], name);
    assertClearText(upstream);
    assertOutput(relay);
  }

  async assertRefused(
    relay: RelayProcess,
    upstream: ScriptedUpstream,
    { resultType, reason, phase = 'handshake' }: Omit<Refused, 'twin'>,
  ): Promise<void> {
    assertRefusal(await this.send(relay), '451 4.7.5');
    const insecure = await relay.event('hop.insecure');
    assert.equal(insecure['resultType'], resultType, JSON.stringify(insecure));
    assert.match(String(insecure['reason']), reason);
    assert.equal(insecure['phase'], phase);
    if (phase === 'resolve') assert.equal(upstream.connections.length, 0, 'nobody is connected to');
    else await upstream.idle();
    assert.equal(upstream.secured, '', 'nothing is said inside TLS');
    assert.equal(upstream.messages.length, 0);
    assert.ok(!relay.log.some(({ event }) => event === 'hop.secured'), 'no hop counts as secured');
    assertClearText(upstream);
    assertOutput(relay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started.disposeAsync();
  }
}

function scriptOf({ mode = 'implicit', presents, thenPresents = presents }: DaneCase): Script {
  let handshakes = 0;
  return {
    mode,
    get identity() {
      handshakes += 1;
      return handshakes === 1 ? presents : thenPresents;
    },
  };
}

/** The scene with the upstream's name and port. */
export function sceneAt(
  upstream: ScriptedUpstream,
  { host = 'smtp.secure.test', policy, variables }: Omit<Scene, 'presents'>,
): Pick<Scene, 'policy' | 'variables'> {
  const scheme = upstream.script.mode === 'implicit' ? 'smtps' : 'smtp';
  const SEALPOST_UPSTREAM = `${scheme}://${host}:${upstream.port}`;
  return {
    ...(policy === undefined ? {} : { policy }),
    variables: (stage) => ({ SEALPOST_UPSTREAM, ...variables?.(stage) }),
  };
}

/** What all cases say about their zones, and what is said for all of them. */
function zonesOf(
  cases: readonly { readonly one: DaneCase; readonly port: number }[],
  { records: common = {}, spoiled = [] }: ZoneRecords,
): ZoneRecords {
  const all = [common, ...cases.map(({ one, port }) => one.records?.(port) ?? {})];
  const of = (kind: ZoneKind): readonly string[] => all.flatMap((records) => records[kind] ?? []);
  return {
    records: {
      secure: of('secure'),
      insecure: of('insecure'),
      island: of('island'),
      bogus: of('bogus'),
      expired: of('expired'),
    },
    spoiled: [
      ...spoiled,
      ...cases.flatMap(({ one: { spoiled: owner }, port }) =>
        owner === undefined ? [] : [{ owner: `_${port}._tcp.${owner}`, type: 'TLSA' }],
      ),
    ],
  };
}
