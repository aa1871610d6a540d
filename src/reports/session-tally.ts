/**
 * What became of the TLS sessions of one day with one upstream, by the policy that was applied.
 */
import type { FailureDetail, PolicyResult, PolicyType } from './tls-report.ts';

/** Kinds of failures that are told apart; what is beyond them counts in the summary alone. */
const MOST_DETAILS = 500;

export class SessionTally {
  readonly #policies = new Map<PolicyType, PolicyTally>();

  secured(policy: PolicyType, count = 1): void {
    this.#of(policy).successes += count;
  }

  failed(policy: PolicyType, failure: Omit<FailureDetail, 'failed-session-count'>, count = 1): void {
    const tally = this.#of(policy);
    tally.failures += count;
    const key = JSON.stringify(failure);
    const known = tally.details.get(key);
    if (known !== undefined) known.count += count;
    else if (tally.details.size < MOST_DETAILS) tally.details.set(key, { failure, count });
  }

  /** Adds what was counted before, by another process of that day. */
  add({ policy, summary, 'failure-details': details = [] }: PolicyResult): void {
    const type = policy['policy-type'];
    this.secured(type, summary['total-successful-session-count']);
    for (const { 'failed-session-count': count, ...failure } of details) this.failed(type, failure, count);
    const detailed = details.reduce((sum, detail) => sum + detail['failed-session-count'], 0);
    this.#of(type).failures += summary['total-failure-session-count'] - detailed;
  }

  results(domain: string): readonly PolicyResult[] {
    return [...this.#policies].map(([type, { successes, failures, details }]) => ({
      policy: { 'policy-type': type, 'policy-domain': domain },
      summary: {
        'total-successful-session-count': successes,
        'total-failure-session-count': failures,
      },
      ...(details.size === 0
        ? {}
        : {
            'failure-details': [...details.values()].map(({ failure, count }) => ({
              ...failure,
              'failed-session-count': count,
            })),
          }),
    }));
  }

  #of(policy: PolicyType): PolicyTally {
    const known = this.#policies.get(policy);
    if (known !== undefined) return known;
    const fresh: PolicyTally = { successes: 0, failures: 0, details: new Map() };
    this.#policies.set(policy, fresh);
    return fresh;
  }
}

interface PolicyTally {
  successes: number;
  failures: number;
  readonly details: Map<
    string,
    { readonly failure: Omit<FailureDetail, 'failed-session-count'>; count: number }
  >;
}
