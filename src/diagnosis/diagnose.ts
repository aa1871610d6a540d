/**
 * Finds out about upstreams: the verdict by the relay's own path, the facts by a look of its own.
 *
 * Guarantees: the facts change no verdict; everything is over when the budget is; where DNSSEC decides and the resolver
 * has not shown that it validates, nobody is offered anything.
 * Does not: print (render-text.ts, the command).
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { NameService } from '../dns/answer.ts';
import type { ValidatingResolver } from '../dns/resolver.ts';
import { RelayError, type Extension, type Failure } from '../protocol/failure.ts';
import { identifierText } from '../tls/reference-identifier.ts';
import { Deadline } from '../upstream/deadline.ts';
import { locate, orNameFailure } from '../upstream/locate.ts';
import type { HopSurroundings } from '../upstream/open-way.ts';
import type { Target } from '../upstream/target.ts';
import { waysTo, wayText, type Way } from '../upstream/way.ts';
import { failureVerdict, resolverSentence, unbelievedVerdict, verdictOf } from './advice.ts';
import type {
  Diagnosis,
  LookFinding,
  NameFinding,
  PortFinding,
  ResolverState,
  TlsaText,
  UpstreamFinding,
  Verdict,
} from './findings.ts';
import { Look } from './look.ts';
import { loginFinding } from './login-finding.ts';
import { LoginTurns } from './login-turns.ts';
import { NameRecord } from './name-record.ts';
import { placeText } from './place-text.ts';
import { VerdictFinder, type Outcome } from './verdict.ts';

/** An upstream to find out about. */
export interface Subject {
  readonly target: Target;
  /** There are credentials that are not for this one. */
  readonly isWithheld: boolean;
}

export interface DiagnosisOptions {
  readonly around: HopSurroundings;
  /** The resolver that the operator named, if any. */
  readonly validating: ValidatingResolver | undefined;
  /** A name whose signatures are wrong. */
  readonly bogusName: string;
  /** What an upstream must offer for any mail to be delivered. */
  readonly needed?: Extension | undefined;
  /** For everything, milliseconds. */
  readonly budgetMs: number;
  /** Whether one upstream that works is enough, or each must. */
  readonly delivers: 'some' | 'every';
}

/** Healthy servers are looked at after the verdict, so that one that allows few connections does not count ours twice. */
const HEAD_START_MS = 2_000;

/** Of the budget: the head start and the two ways of beginning leave time to tell the verdict. */
const HEAD_START_SHARE = 0.15;
const ATTEMPT_SHARE = 0.3;

export class Diagnostician {
  readonly #options: DiagnosisOptions;
  readonly #deadline: Deadline;
  #resolver: Promise<ResolverState | undefined> | undefined;

  constructor(options: DiagnosisOptions) {
    this.#options = options;
    this.#deadline = new Deadline(options.budgetMs);
  }

  async diagnose(subjects: readonly Subject[]): Promise<Diagnosis> {
    using _ = this.#deadline;
    const upstreams = await Promise.all(subjects.map(async (subject) => this.#upstream(subject)));
    const resolver = await this.#resolverState();
    const delivers =
      this.#options.delivers === 'some' ? upstreams.some(isSecured) : upstreams.every(isSecured);
    const warnings = resolver === undefined || resolver === 'proven' ? [] : [resolverSentence(resolver)];
    return { delivers, resolver, warnings, upstreams };
  }

  /** Only the looks, for all ports of all upstreams. */
  async look(targets: readonly Target[]): Promise<readonly LookFinding[]> {
    using _ = this.#deadline;
    const looks = targets.map(async (target) => {
      const ways = await this.#ways(target, this.#options.around.names.resolver);
      if ('failure' in ways) return [];
      return Promise.all(
        ways.ways.map(async (way) => {
          const { resolver } = this.#options.around.names;
          return this.#look(target, way, await this.#addressesOf(target, way, resolver));
        }),
      );
    });
    return (await Promise.all(looks)).flat();
  }

  async #upstream({ target, isWithheld }: Subject): Promise<UpstreamFinding> {
    const names = new NameRecord(this.#options.around.names.resolver);
    const found = await this.#ways(target, names);
    const turns = new LoginTurns();
    const ports =
      'failure' in found
        ? []
        : await Promise.all(found.ways.map(async (way) => this.#port({ target, isWithheld }, way, turns)));
    const resolver = await this.#resolverState();
    const isSrv = target.place.kind === 'srv';
    return {
      upstream: placeText(target.place),
      credentials: target.credentials !== undefined ? 'offered' : isWithheld ? 'withheld' : 'none',
      srv: isSrv ? names.srvFindings(resolver) : undefined,
      ports,
      verdict: 'failure' in found ? failureVerdict(found.failure) : undefined,
    };
  }

  async #ways(
    target: Target,
    names: NameService,
  ): Promise<{ readonly ways: readonly Way[] } | { readonly failure: Failure }> {
    const asksDane = target.authentication.by === 'dane';
    try {
      const { signal } = this.#deadline;
      return { ways: await orNameFailure(asksDane, async () => waysTo(target, names, signal)) };
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return { failure: error.failure };
    }
  }

  async #port(subject: Subject, way: Way, turns: LoginTurns): Promise<PortFinding> {
    const { target } = subject;
    const names = new NameRecord(this.#options.around.names.resolver);
    const addresses = this.#addressesOf(target, way, names);
    const giveUp = new AbortController();
    const finder = new VerdictFinder(target, way, {
      around: this.#options.around,
      deadline: this.#deadline,
      givenUp: giveUp.signal,
      turns,
      needed: this.#options.needed,
    });
    const asksDane = target.authentication.by === 'dane';
    const judging = this.#judge(finder, asksDane);
    const looking = this.#lookAfter(judging, finder, target, way, addresses);
    void looking.then(({ speaks }) => {
      if (way.endpoint.tls === 'starttls' && speaks === 'tls') giveUp.abort();
    });
    const facts = [looking, this.#tlsaOf(target, way), this.#resolverState()] as const;
    const [judged, look, tlsa, resolver] = await Promise.all([judging, ...facts]);
    const outcome = 'word' in judged ? {} : withGivenUp(judged, giveUp.signal);
    return {
      ...wayText(way),
      tls: way.endpoint.tls,
      addresses: addressFinding(names, way, resolver, await addresses),
      tlsa,
      ...look,
      secured: outcome.secured,
      login: loginFinding(subject, outcome),
      verdict: 'word' in judged ? judged : verdictOf(way, outcome.failed, look),
    };
  }

  async #judge(finder: VerdictFinder, asksDane: boolean): Promise<Outcome | Verdict> {
    if (asksDane) {
      const resolver = await this.#resolverState();
      if (resolver === 'not-validating' || resolver === 'unproven') return unbelievedVerdict(resolver);
    }
    return finder.find();
  }

  async #lookAfter(
    judging: Promise<unknown>,
    finder: VerdictFinder,
    target: Target,
    way: Way,
    addresses: Promise<readonly string[]>,
  ): Promise<LookFinding> {
    const headStart = Math.min(HEAD_START_MS, this.#options.budgetMs * HEAD_START_SHARE);
    const gone = judging.then(async () => finder.gone());
    await Promise.race([gone, delay(headStart, undefined, { ref: false })]);
    return this.#look(target, way, await addresses);
  }

  async #look({ trust }: Target, way: Way, addresses: readonly string[]): Promise<LookFinding> {
    if (addresses.length === 0) return {};
    const { around, budgetMs } = this.#options;
    const { settings } = around;
    const attemptMs = budgetMs * ATTEMPT_SHARE;
    return new Look(way, { addresses, trust, settings, deadline: this.#deadline, attemptMs }).look();
  }

  /** As a hop finds them. */
  async #addressesOf(target: Target, way: Way, names: NameService): Promise<readonly string[]> {
    const { machine } = this.#options.around.names;
    const byName: Target = { ...target, authentication: { by: 'pkix' } };
    try {
      return (await locate(byName, way, { resolver: names, machine }, this.#deadline.signal)).addresses;
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return [];
    }
  }

  /** Asks for TLSA records as a hop does that depends on them, whatever the verdict depends on. */
  async #tlsaOf(target: Target, way: Way): Promise<readonly NameFinding<TlsaText>[] | undefined> {
    const { machine, resolver } = this.#options.around.names;
    const names = new NameRecord(resolver);
    const byRecords: Target = { ...target, authentication: { by: 'dane', otherwise: 'pkix' } };
    const state = await this.#resolverState();
    if (state === undefined) return undefined;
    try {
      await locate(byRecords, way, { resolver: names, machine }, this.#deadline.signal);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error; // what failed is on record
    }
    return names.tlsaFindings(state);
  }

  async #resolverState(): Promise<ResolverState | undefined> {
    this.#resolver ??= this.#proveResolver();
    return this.#resolver;
  }

  async #proveResolver(): Promise<ResolverState | undefined> {
    const { validating, bogusName, budgetMs } = this.#options;
    if (validating === undefined) return undefined;
    using deadline = new Deadline(Math.min(budgetMs * ATTEMPT_SHARE, this.#deadline.remainingMs));
    return await validating.proveValidation(bogusName, deadline.signal);
  }
}

/** The hop that was given up would have waited until its time was up. */
function withGivenUp(outcome: Outcome, givenUp: AbortSignal): Outcome {
  const { failed } = outcome;
  const hasWaited =
    givenUp.aborted && failed !== undefined && 'kind' in failed && failed.kind === 'unreachable';
  return hasWaited ? { failed: { kind: 'unreachable', phase: 'greeting', reason: 'timeout' } } : outcome;
}

function addressFinding(
  names: NameRecord,
  way: Way,
  resolver: ResolverState | undefined,
  addresses: readonly string[],
): NameFinding<string> {
  const [asked] = names.addressFindings(resolver);
  const name = identifierText(way.host);
  // A name of the machine's own hosts file is no answer of the resolver.
  if (asked === undefined) return { name, records: addresses };
  return asked.records.length > 0 ? asked : { ...asked, records: addresses };
}

function isSecured({ ports }: UpstreamFinding): boolean {
  return ports.some(({ verdict }) => verdict.word === 'secured');
}
