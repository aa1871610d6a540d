/**
 * A report on TLS as RFC 8460 §4.4 writes it.
 */
import type { TlsResultType } from '../protocol/tls-result.ts';

/** We know no MTA-STS: a submission server has none. */
export type PolicyType = 'tlsa' | 'no-policy-found';

export interface FailureDetail {
  readonly 'result-type': TlsResultType;
  readonly 'sending-mta-ip'?: string;
  readonly 'receiving-mx-hostname': string;
  readonly 'receiving-ip'?: string;
  readonly 'failure-reason-code': string;
  readonly 'failed-session-count': number;
}

export interface PolicyResult {
  readonly policy: { readonly 'policy-type': PolicyType; readonly 'policy-domain': string };
  readonly summary: {
    readonly 'total-successful-session-count': number;
    readonly 'total-failure-session-count': number;
  };
  readonly 'failure-details'?: readonly FailureDetail[];
}

export interface TlsReport {
  readonly 'organization-name': string;
  readonly 'date-range': { readonly 'start-datetime': string; readonly 'end-datetime': string };
  readonly 'contact-info': string;
  readonly 'report-id': string;
  readonly policies: readonly PolicyResult[];
}

/** The UTC day of a time, as `2026-11-22`. */
export function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}

/** @param organization the name of the relay */
export function tlsReport(
  organization: string,
  domain: string,
  day: string,
  policies: readonly PolicyResult[],
): TlsReport {
  const { start, end } = rangeOf(day);
  return {
    'organization-name': organization,
    'date-range': { 'start-datetime': start, 'end-datetime': end },
    'contact-info': `postmaster@${organization}`,
    'report-id': `${start}_${domain}_${organization}`,
    policies,
  };
}

/** RFC 8460 §5.1. */
export function reportName(organization: string, domain: string, day: string): string {
  const { start, end } = rangeOf(day);
  return `${organization}!${domain}!${Date.parse(start) / 1e3}!${Date.parse(end) / 1e3}.json`;
}

function rangeOf(day: string): { readonly start: string; readonly end: string } {
  return { start: `${day}T00:00:00Z`, end: `${day}T23:59:59Z` };
}

/** Of a file that we have written: what is in it stands for itself. @throws {TypeError} when it is no such report */
export function policiesIn(text: string): readonly PolicyResult[] {
  const report: unknown = JSON.parse(text);
  if (!isReport(report)) throw new TypeError('not a report');
  return report.policies;
}

function isReport(value: unknown): value is TlsReport {
  return (
    typeof value === 'object' &&
    value !== null &&
    'report-id' in value &&
    'policies' in value &&
    Array.isArray(value.policies) &&
    value.policies.every((one: unknown) => typeof one === 'object' && one !== null && 'summary' in one)
  );
}
