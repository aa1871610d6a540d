/**
 * Finds out about upstreams and their ports.
 *
 * Guarantees: everything is over when the budget is.
 * Does not: print (render-text.ts, the command).
 */
import type { NameService } from '../dns/answer.ts';
import { RelayError, type Failure } from '../protocol/failure.ts';
import { Deadline } from '../upstream/deadline.ts';
import { orNameFailure } from '../upstream/locate.ts';
import type { Target } from '../upstream/target.ts';
import { waysTo, type Way } from '../upstream/way.ts';
import { failureVerdict } from './advice.ts';
import type { Diagnosis, ProbeFinding, UpstreamFinding } from './findings.ts';
import { LoginTurns } from './login-turns.ts';
import { NameRecord } from './name-record.ts';
import { placeText } from '../upstream/place-text.ts';
import { PortDiagnosis } from './port-diagnosis.ts';
import { isUnbelieved, ResolverProof, resolverSentence } from './resolver-proof.ts';
import type { DiagnosisOptions, Subject } from './subject.ts';

export class Diagnostician {
  readonly #options: DiagnosisOptions;
  readonly #deadline: Deadline;
  readonly #proof: ResolverProof;

  constructor(options: DiagnosisOptions) {
    this.#options = options;
    this.#deadline = new Deadline(options.budgetMs);
    this.#proof = new ResolverProof(options, this.#deadline);
  }

  async diagnose(subjects: readonly Subject[]): Promise<Diagnosis> {
    using _ = this.#deadline;
    const upstreams = await Promise.all(subjects.map(async (subject) => this.#upstream(subject)));
    const resolver = await this.#proof.finding();
    const secured = upstreams.map(isSecured);
    const working = new Set(
      subjects.filter((_subject, at) => secured[at] === true).map(({ route }) => route),
    );
    const delivers =
      this.#options.delivers === 'some'
        ? subjects.every(({ route }) => working.has(route))
        : !secured.includes(false);
    const warnings = isUnbelieved(resolver) ? [resolverSentence(resolver)] : [];
    return { delivers, resolver, warnings, upstreams };
  }

  /** What anybody can see of all ports of all upstreams, and with it their keys. */
  async presentedKeys(targets: readonly Target[]): Promise<readonly ProbeFinding[]> {
    using _ = this.#deadline;
    const probes = targets.map(async (target) => {
      const found = await this.#ways(target, this.#options.around.names.resolver);
      if ('failure' in found) return [];
      return Promise.all(found.ways.map(async (way) => this.#port(target, way).probe()));
    });
    return (await Promise.all(probes)).flat();
  }

  async #upstream(subject: Subject): Promise<UpstreamFinding> {
    const { target, isWithheld } = subject;
    const names = new NameRecord(this.#options.around.names.resolver);
    const found = await this.#ways(target, names);
    const ways = 'failure' in found ? [] : found.ways;
    const turns = new LoginTurns();
    const ports = await Promise.all(ways.map(async (way) => this.#port(target, way).find(subject, turns)));
    const isSrv = target.place.kind === 'srv';
    return {
      name: subject.route,
      upstream: placeText(target.place),
      credentials: target.credentials !== undefined ? 'offered' : isWithheld ? 'withheld' : 'none',
      srv: isSrv ? names.srvFindings(await this.#proof.finding()) : undefined,
      ports,
      verdict: 'failure' in found ? failureVerdict(found.failure) : undefined,
    };
  }

  #port(target: Target, way: Way): PortDiagnosis {
    return new PortDiagnosis(target, way, {
      options: this.#options,
      deadline: this.#deadline,
      proof: this.#proof,
    });
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
}

/** Credentials that one port refuses end the relay's attempt, whatever another port would say. */
function isSecured({ ports }: UpstreamFinding): boolean {
  const isRefusedLogin = ports.some(({ login }) => login.outcome === 'refused');
  return !isRefusedLogin && ports.some(({ verdict }) => verdict.outcome === 'secured');
}
