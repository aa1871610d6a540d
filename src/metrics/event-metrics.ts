/**
 * What is counted as it happens.
 *
 * Guarantees: no label has a value that a client chooses; what can be known beforehand begins at 0, so that its first
 * increase is one.
 */
import type { Observer } from '../log/observer.ts';
import type { Definitions } from './definitions.ts';
import { hopMetrics } from './hop-metrics.ts';

/** Seconds. */
const TRANSACTION_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** @returns the one who hears of all that is counted */
export function eventMetrics(define: Definitions): Observer {
  return {
    ...messageMetrics(define),
    ...hopMetrics(define),
    ...clientMetrics(define),
    ...spoolMetrics(define),
    ...ownMetrics(define),
  };
}

function messageMetrics(define: Definitions): Observer {
  const messages = define.tally(
    'sealpost_messages_total',
    'Messages from clients by what became of them; one that is delivered to some and kept for others is both.',
    'outcome',
  );
  const octets = define.tally(
    'sealpost_message_bytes_total',
    'Octets of messages from clients, as they sent them.',
    'outcome',
  );
  const recipients = define.tally(
    'sealpost_recipients_total',
    'Recipients that the upstream has got a message for, and such as were refused.',
    'outcome',
  );
  const refusals = define.counter(
    'sealpost_refusals_total',
    'Transactions that were refused, by kind of failure and how far they had come.',
    ['failure', 'phase'],
  );
  const seconds = define.histogram(
    'sealpost_transaction_seconds',
    'From the question for a hop to the reply to the message, of delivered messages.',
    TRANSACTION_BUCKETS,
  );
  const verdicts = define.histogram(
    'sealpost_transaction_verdict_seconds',
    "From the end of the content to the upstream's reply, of delivered messages.",
    TRANSACTION_BUCKETS,
  );
  const count = (outcome: string, size = 0, howMany = 1): void => {
    messages.add(outcome, howMany);
    octets.add(outcome, size);
  };
  for (const outcome of ['delivered', 'spooled', 'refused', 'unknown', 'abandoned']) count(outcome, 0, 0);
  for (const outcome of ['delivered', 'refused']) recipients.add(outcome, 0);
  return {
    'transaction.delivered': (fields) => {
      count('delivered', fields.octets);
      recipients.add('delivered', fields.recipients);
      seconds.observe((fields.waitMs + fields.ms) / 1e3);
      verdicts.observe(fields.verdictMs / 1e3);
    },
    'transaction.refused': ({ failure, phase }) => {
      count('refused');
      refusals.inc({ failure, phase });
    },
    'transaction.unknown': (fields) => count('unknown', fields.octets),
    'transaction.abandoned': (fields) => count('abandoned', fields.octets),
    'message.spooled': (fields) => count('spooled', fields.octets),
    'recipient.refused': () => recipients.add('refused'),
  };
}

function clientMetrics(define: Definitions): Observer {
  const opened = define.counter('sealpost_sessions_opened_total', 'Sessions of clients.');
  const refused = define.counter(
    'sealpost_sessions_refused_total',
    'Clients that were turned away because of who they are or what they speak.',
    ['reason'],
  );
  const cut = define.counter(
    'sealpost_sessions_cut_total',
    'Sessions ended because the client went too slowly, or said much and mailed nothing.',
    ['reason'],
  );
  const limits = define.counter(
    'sealpost_limits_reached_total',
    'How often a limit for clients was reached, at most once a minute for each client.',
    ['limit'],
  );
  const logins = define.counter('sealpost_logins_refused_total', 'Logins of clients that were refused.');
  return {
    'session.opened': () => opened.inc(),
    'session.refused': ({ reason }) => refused.inc({ reason }),
    'session.cut': ({ reason }) => cut.inc({ reason }),
    'limit.reached': ({ limit }) => limits.inc({ limit }),
    'login.refused': () => logins.inc(),
  };
}

function spoolMetrics(define: Definitions): Observer {
  const outcomes = define.counter(
    'sealpost_spool_outcomes_total',
    'What became of spooled messages; delayed is one more attempt in vain.',
    ['outcome'],
  );
  const count = (outcome: string) => (): void => outcomes.inc({ outcome });
  for (const outcome of ['delivered', 'delayed', 'unknown', 'bounced', 'dropped'])
    outcomes.inc({ outcome }, 0);
  return {
    'spool.delivered': count('delivered'),
    'spool.delayed': count('delayed'),
    'spool.unknown': count('unknown'),
    'spool.bounced': count('bounced'),
    'spool.dropped': count('dropped'),
  };
}

function ownMetrics(define: Definitions): Observer {
  const tokens = define.counter(
    'sealpost_tokens_total',
    'Access tokens for the upstream that were asked for; reason is why there was none.',
    ['reason'],
  );
  const reloaded = define.gauge(
    'sealpost_config_last_reload_successful',
    'Whether the configuration that was read last counts; 0 when it was refused.',
  );
  const workers = define.counter('sealpost_worker_ends_total', 'Workers that ended unasked.');
  const audit = define.counter(
    'sealpost_audit_failures_total',
    'How often the audit trail began to fail; mail goes on, and lines wait.',
  );
  const errors = define.counter(
    'sealpost_internal_errors_total',
    'Mistakes of Sealpost itself; the log has each.',
  );
  reloaded.set(1);
  return {
    'token.renewed': () => tokens.inc({ reason: '' }),
    'token.refused': ({ reason }) => tokens.inc({ reason }),
    'config.reloaded': () => reloaded.set(1),
    'config.refused': () => reloaded.set(0),
    'worker.ended': () => workers.inc(),
    'audit.failed': () => audit.inc(),
    'internal.error': () => errors.inc(),
  };
}
