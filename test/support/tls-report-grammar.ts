/**
 * Whether a value is a report as RFC 8460 §4.4 describes it, member by member.
 */
import { isIP } from 'node:net';

type Rule = (value: unknown, path: string) => readonly string[];

const RESULT_TYPES = [
  'starttls-not-supported',
  'certificate-host-mismatch',
  'certificate-expired',
  'certificate-not-trusted',
  'validation-failure',
  'tlsa-invalid',
  'dnssec-invalid',
  'dane-required',
  'sts-policy-fetch-error',
  'sts-policy-invalid',
  'sts-webpki-invalid',
];

const text = check((value) => typeof value === 'string' && value !== '', 'is not a text');
const count = check((value) => Number.isInteger(value) && Number(value) >= 0, 'is not a count');
const address = check((value) => isIP(String(value)) !== 0, 'is not an IP address');
const resultType = check((value) => RESULT_TYPES.includes(String(value)), 'is not a result type of §4.3');
const policyType = check(
  (value) => ['tlsa', 'sts', 'no-policy-found'].includes(String(value)),
  'is no policy type',
);
/** RFC 3339, internet date-time. */
const dateTime = check(
  (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(String(value)),
  'is not a date-time',
);
const texts = listOf(text);

const DETAIL = objectOf(
  { 'result-type': resultType, 'failed-session-count': count },
  {
    'sending-mta-ip': address,
    'receiving-mx-hostname': text,
    'receiving-mx-helo': text,
    'receiving-ip': address,
    'additional-information': text,
    'failure-reason-code': text,
  },
);

const POLICY = objectOf(
  {
    policy: objectOf(
      { 'policy-type': policyType, 'policy-domain': text },
      { 'policy-string': texts, 'mx-host': either(text, texts) },
    ),
    summary: objectOf({ 'total-successful-session-count': count, 'total-failure-session-count': count }),
  },
  { 'failure-details': listOf(DETAIL) },
);

const REPORT = objectOf({
  'organization-name': text,
  'date-range': objectOf({ 'start-datetime': dateTime, 'end-datetime': dateTime }),
  'contact-info': text,
  'report-id': text,
  policies: listOf(POLICY),
});

/** @returns what is wrong with it */
export function reportFaults(value: unknown): readonly string[] {
  return REPORT(value, 'report');
}

function check(isGood: (value: unknown) => boolean, fault: string): Rule {
  return (value, path) => (isGood(value) ? [] : [`${path} ${fault}`]);
}

function either(one: Rule, other: Rule): Rule {
  return (value, path) => (one(value, path).length === 0 ? [] : other(value, path));
}

function listOf(rule: Rule): Rule {
  return (value, path) => {
    if (!Array.isArray(value)) return [`${path} is not a list`];
    return value.flatMap((one: unknown, index) => rule(one, `${path}[${index}]`));
  };
}

function objectOf(
  required: Readonly<Record<string, Rule>>,
  optional: Readonly<Record<string, Rule>> = {},
): Rule {
  return (value, path) => {
    if (typeof value !== 'object' || value === null) return [`${path} is not an object`];
    const rules = new Map(Object.entries({ ...required, ...optional }));
    const missing = Object.keys(required).filter((name) => !(name in value));
    return [
      ...missing.map((name) => `${path}.${name} is missing`),
      ...Object.entries(value).flatMap(([name, member]) => {
        const rule = rules.get(name);
        return rule === undefined ? [`${path}.${name} is unknown`] : rule(member, `${path}.${name}`);
      }),
    ];
  };
}
