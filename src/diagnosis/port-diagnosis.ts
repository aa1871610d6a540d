/**
 * One port: the verdict by the relay's own path, the facts by a probe of its own, both at the same time.
 *
 * Guarantees: the facts change no verdict; where DNSSEC decides and the resolver has not shown that it validates, nobody
 * is offered anything.
 */
import { setTimeout as delay } from 'node:timers/promises';

import type { NameService } from '../dns/answer.ts';
import { RelayError } from '../protocol/failure.ts';
import { identifierText } from '../tls/reference-identifier.ts';
import type { Deadline } from '../upstream/deadline.ts';
import { locate } from '../upstream/locate.ts';
import type { Target } from '../upstream/target.ts';
import { wayText, type Way } from '../upstream/way.ts';
import { unbelievedVerdict, verdictFor } from './advice.ts';
import type {
  NameFinding,
  PortFinding,
  ProbeFinding,
  ResolverFinding,
  TlsaText,
  Verdict,
} from './findings.ts';
import { loginFinding } from './login-finding.ts';
import type { LoginTurns } from './login-turns.ts';
import { NameRecord } from './name-record.ts';
import { Probe } from './probe.ts';
import { isUnbelieved, type ResolverProof } from './resolver-proof.ts';
import { ATTEMPT_SHARE, type DiagnosisOptions, type Subject } from './subject.ts';
import { VerdictFinder, type Outcome } from './verdict.ts';

/** What the ports of a diagnosis share. */
export interface PortSurroundings {
  readonly options: DiagnosisOptions;
  readonly deadline: Deadline;
  readonly proof: ResolverProof;
}

/** Healthy servers are probed after the verdict, so that one that allows few connections does not count ours twice. */
const HEAD_START_MS = 2_000;
/** Of the budget. */
const HEAD_START_SHARE = 0.15;

interface Judged {
  readonly outcome: Outcome;
  /** Set where a hop would rest on a resolver that is not believed: none was tried. */
  readonly unbelieved?: Verdict | undefined;
}

export class PortDiagnosis {
  readonly #target: Target;
  readonly #way: Way;
  readonly #around: PortSurroundings;

  constructor(target: Target, way: Way, around: PortSurroundings) {
    this.#target = target;
    this.#way = way;
    this.#around = around;
  }

  async find(subject: Subject, turns: LoginTurns): Promise<PortFinding> {
    const giveUp = new AbortController();
    const finder = this.#finder(turns, giveUp.signal);
    const judging = this.#judge(finder);
    const names = new NameRecord(this.#names.resolver);
    const addresses = this.#addresses(names);
    const probing = this.#probeAfter(judging, finder, addresses);
    void probing.then(({ speaks }) => {
      if (this.#way.endpoint.tls === 'starttls' && speaks === 'tls') giveUp.abort();
    });
    const [judged, probe, tlsa] = await Promise.all([judging, probing, this.#tlsa()]);
    const outcome = withGivenUp(judged.outcome, giveUp.signal);
    return {
      ...wayText(this.#way),
      tls: this.#way.endpoint.tls,
      addresses: this.#addressFinding(names, await this.#around.proof.finding(), await addresses),
      tlsa,
      ...probe,
      secured: outcome.secured,
      login: loginFinding(subject, outcome),
      verdict: judged.unbelieved ?? verdictFor(subject, this.#way, outcome.failed, probe),
    };
  }

  /** The facts alone. */
  async probe(): Promise<ProbeFinding> {
    return this.#probe(await this.#addresses(this.#names.resolver));
  }

  #finder(turns: LoginTurns, givenUp: AbortSignal): VerdictFinder {
    const { options, deadline } = this.#around;
    const { around, needed } = options;
    return new VerdictFinder(this.#target, this.#way, { around, deadline, givenUp, turns, needed });
  }

  async #judge(finder: VerdictFinder): Promise<Judged> {
    if (restsOnDnssec(this.#target, this.#way)) {
      const resolver = await this.#around.proof.finding();
      if (isUnbelieved(resolver)) return { outcome: {}, unbelieved: unbelievedVerdict(resolver) };
    }
    return { outcome: await finder.find() };
  }

  async #probeAfter(
    judging: Promise<unknown>,
    finder: VerdictFinder,
    addresses: Promise<readonly string[]>,
  ): Promise<ProbeFinding> {
    const headStart = Math.min(HEAD_START_MS, this.#around.options.budgetMs * HEAD_START_SHARE);
    const gone = judging.then(async () => finder.gone());
    await Promise.race([gone, delay(headStart, undefined, { ref: false })]);
    return this.#probe(await addresses);
  }

  async #probe(addresses: readonly string[]): Promise<ProbeFinding> {
    if (addresses.length === 0) return {};
    const { options, deadline } = this.#around;
    const { settings } = options.around;
    const { trust } = this.#target;
    const attemptMs = options.budgetMs * ATTEMPT_SHARE;
    return new Probe(this.#way, { addresses, trust, settings, deadline, attemptMs }).run();
  }

  /** As a hop finds them. */
  async #addresses(resolver: NameService): Promise<readonly string[]> {
    const byName: Target = { ...this.#target, authentication: { by: 'pkix' } };
    const { signal } = this.#around.deadline;
    try {
      const { machine } = this.#names;
      return (await locate(byName, this.#way, { resolver, machine }, signal)).addresses;
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      return [];
    }
  }

  /** Asks for TLSA records as a hop does that depends on them, whatever the verdict depends on. */
  async #tlsa(): Promise<readonly NameFinding<TlsaText>[] | undefined> {
    const { machine, resolver } = this.#names;
    const names = new NameRecord(resolver);
    const byRecords: Target = { ...this.#target, authentication: { by: 'dane', otherwise: 'pkix' } };
    const believed = await this.#around.proof.finding();
    if (believed === undefined) return undefined;
    try {
      await locate(byRecords, this.#way, { resolver: names, machine }, this.#around.deadline.signal);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error; // what failed is on record
    }
    return names.tlsaFindings(believed);
  }

  #addressFinding(
    names: NameRecord,
    resolver: ResolverFinding | undefined,
    addresses: readonly string[],
  ): NameFinding<string> {
    const [asked] = names.addressFindings(resolver);
    const name = identifierText(this.#way.host);
    // A name of the machine's own hosts file is no answer of the resolver.
    if (asked === undefined) return { name, records: addresses };
    return asked.records.length > 0 ? asked : { ...asked, records: addresses };
  }

  get #names(): DiagnosisOptions['around']['names'] {
    return this.#around.options.around.names;
  }
}

/** TLSA records do, and so does a name that SRV records have added to those that the certificate may show. */
function restsOnDnssec({ authentication }: Target, { references }: Way): boolean {
  if (authentication.by === 'pin') return false; // asks for no name
  return authentication.by === 'dane' || references.length > 1;
}

/** The hop that was given up would have waited until its time was up. */
function withGivenUp(outcome: Outcome, givenUp: AbortSignal): Outcome {
  const { failed } = outcome;
  const hasWaited =
    givenUp.aborted && failed !== undefined && 'kind' in failed && failed.kind === 'unreachable';
  return hasWaited ? { failed: { kind: 'unreachable', phase: 'greeting', reason: 'timeout' } } : outcome;
}
