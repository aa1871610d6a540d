/**
 * Whether the resolver that the operator named may be believed, and what to change where not.
 */
import type { DnsFaultReason } from '../dns/dns-error.ts';
import { Deadline } from '../upstream/deadline.ts';
import type { ResolverFinding, UnbelievedResolver } from './findings.ts';
import { ATTEMPT_SHARE, type DiagnosisOptions } from './subject.ts';

/** One trial for all ports. */
export class ResolverProof {
  readonly #options: DiagnosisOptions;
  readonly #total: Deadline;
  #finding: Promise<ResolverFinding | undefined> | undefined;

  constructor(options: DiagnosisOptions, total: Deadline) {
    this.#options = options;
    this.#total = total;
  }

  /** Undefined where no resolver is named. */
  async finding(): Promise<ResolverFinding | undefined> {
    this.#finding ??= this.#find();
    return this.#finding;
  }

  async #find(): Promise<ResolverFinding | undefined> {
    const { validating, bogusName, budgetMs } = this.#options;
    if (validating === undefined) return undefined;
    using deadline = new Deadline(Math.min(budgetMs * ATTEMPT_SHARE, this.#total.remainingMs));
    return await validating.proveValidation(bogusName, deadline.signal);
  }
}

export function isUnbelieved(resolver: ResolverFinding | undefined): resolver is UnbelievedResolver {
  return resolver !== undefined && resolver.state !== 'proven';
}

/** What to change. */
export function resolverSentence({ state, fault }: UnbelievedResolver): string {
  if (state === 'not-validating')
    return 'The resolver of SEALPOST_DNS_RESOLVER answers for a name whose signatures are wrong, so it does not validate DNSSEC; name one that does.';
  return `It could not be shown that the resolver of SEALPOST_DNS_RESOLVER validates DNSSEC: ${unprovenText(fault)}; ${remedy(fault)}.`;
}

/** Why nothing could be shown. */
export function unprovenText(fault: DnsFaultReason | undefined): string {
  return fault === undefined ? 'it says that the bogus name does not exist' : UNPROVEN[fault];
}

const UNPROVEN: Readonly<Record<DnsFaultReason, string>> = {
  bogus: 'it gave an answer whose signatures are wrong',
  servfail: 'it could not find out about the bogus name',
  refused: 'it refused the question',
  timeout: 'it gave no answer in time',
  unreachable: 'it cannot be reached',
  malformed: 'it gave a malformed answer',
  'not-verified': 'it did not prove its name in TLS',
};

function remedy(fault: DnsFaultReason | undefined): string {
  switch (fault) {
    case undefined:
    case 'servfail':
    case 'bogus':
      return 'name with SEALPOST_DNS_BOGUS_NAME a name with wrong signatures that it can reach';
    case 'not-verified':
      return 'check its name in SEALPOST_DNS_RESOLVER, and its certificate';
    case 'refused':
    case 'timeout':
    case 'unreachable':
    case 'malformed':
      return 'name one that answers';
  }
}
