/**
 * Spans of OpenTelemetry, made of what the log tells of a transaction when it has ended.
 *
 * Guarantees: no address of a person and no text from a client or an upstream is in them.
 */
import { randomBytes } from 'node:crypto';

import type { Events } from '../log/events.ts';
import type { Observer } from '../log/observer.ts';

/** As OTLP writes it in JSON. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: (typeof KIND)[keyof typeof KIND];
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code: (typeof STATUS)[keyof typeof STATUS] };
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue: string } | { readonly intValue: string };
}

const KIND = { internal: 1, server: 2, client: 3 } as const;
const STATUS = { ok: 1, error: 2 } as const;

/** Milliseconds; all phases lie one behind the other. */
interface Phases {
  readonly wait: number;
  readonly envelope: number;
  readonly content: number;
  readonly verdict: number;
}

/** @param take gets the spans of a transaction that has ended */
export function spanObserver(take: (spans: readonly Span[]) => void): Observer {
  const failed = (what: string, ms: number, facts: Facts): void =>
    take([rootSpan(what, ms, STATUS.error, facts)]);
  return {
    'transaction.delivered': (fields) => take(deliveredSpans(fields)),
    'transaction.refused': ({ ms, tid, hid, failure, phase }) =>
      failed('refused', ms, { tid, hid, failure, phase }),
    'transaction.unknown': ({ ms, tid, hid, octets }) => failed('unknown', ms, { tid, hid, octets }),
    'transaction.abandoned': ({ ms, tid, hid, octets }) => failed('abandoned', ms, { tid, hid, octets }),
    'message.spooled': ({ ms, tid, failure, recipients, octets }) =>
      take([rootSpan('spooled', ms, STATUS.ok, { tid, failure, recipients, octets })]),
    'spool.delivered': ({ ms, tid, hid, attempts, recipients, octets }) =>
      take([rootSpan('delivered from the spool', ms, STATUS.ok, { tid, hid, attempts, recipients, octets })]),
  };
}

type Facts = Readonly<Record<string, string | number | undefined>>;

function deliveredSpans(fields: Events['transaction.delivered']): readonly Span[] {
  const { tid, hid, recipients, octets, waitMs, contentMs, verdictMs, ms } = fields;
  const envelope = Math.max(0, ms - contentMs - verdictMs);
  const phases: Phases = { wait: waitMs, envelope, content: contentMs, verdict: verdictMs };
  const root = rootSpan('delivered', waitMs + ms, STATUS.ok, { tid, hid, recipients, octets });
  return [root, ...phaseSpans(root, phases)];
}

function phaseSpans(root: Span, phases: Phases): readonly Span[] {
  let at = BigInt(root.startTimeUnixNano);
  return Object.entries(phases).map(([name, ms]: [string, number]) => {
    const start = at;
    at += nanoseconds(ms);
    return {
      traceId: root.traceId,
      spanId: newSpanId(),
      parentSpanId: root.spanId,
      name: `sealpost ${name}`,
      kind: name === 'wait' ? KIND.internal : KIND.client,
      startTimeUnixNano: String(start),
      endTimeUnixNano: String(at),
      attributes: [],
      status: { code: STATUS.ok },
    };
  });
}

/** It ends now. */
function rootSpan(outcome: string, ms: number, code: Span['status']['code'], facts: Facts): Span {
  const end = nanoseconds(Date.now());
  return {
    traceId: randomBytes(16).toString('hex'),
    spanId: newSpanId(),
    name: 'sealpost message',
    kind: KIND.server,
    startTimeUnixNano: String(end - nanoseconds(ms)),
    endTimeUnixNano: String(end),
    attributes: attributesOf({ outcome, ...facts }),
    status: { code },
  };
}

function attributesOf(facts: Facts): readonly Attribute[] {
  return Object.entries(facts).flatMap(([name, fact]) => {
    if (fact === undefined) return [];
    const value = typeof fact === 'number' ? { intValue: String(fact) } : { stringValue: fact };
    return [{ key: `sealpost.${name}`, value }];
  });
}

function newSpanId(): string {
  return randomBytes(8).toString('hex');
}

function nanoseconds(ms: number): bigint {
  return BigInt(Math.round(ms)) * 1_000_000n;
}
