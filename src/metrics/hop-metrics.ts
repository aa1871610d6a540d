/**
 * What is counted of hops: those that were opened, those that could not be, and how transactions came by them.
 */
import type { Events } from '../log/events.ts';
import type { Observer } from '../log/observer.ts';
import type { Definitions } from './definitions.ts';
import { LabelBound } from './label-bound.ts';

/** Seconds. */
const WAIT_BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export function hopMetrics(define: Definitions): Observer {
  const bound = new LabelBound();
  return { ...openingMetrics(define, bound), ...failureMetrics(define, bound), ...leaseMetrics(define) };
}

function openingMetrics(define: Definitions, bound: LabelBound): Observer {
  const opened = define.counter(
    'sealpost_hops_opened_total',
    'Hops that were secured, by upstream, proof of its identity and version of TLS.',
    ['upstream', 'authenticated_by', 'protocol'],
  );
  const handshakes = define.histogram(
    'sealpost_hop_handshake_seconds',
    'TLS handshakes that succeeded.',
    WAIT_BUCKETS,
  );
  const openings = define.histogram(
    'sealpost_hop_open_seconds',
    'From the question for the address of the upstream until a hop to it was secured and logged in.',
    WAIT_BUCKETS,
  );
  const expiry = define.gauge(
    'sealpost_upstream_certificate_expiry_timestamp_seconds',
    'When the certificate ends that the upstream has shown last.',
    ['upstream'],
  );
  const count = (fields: Events['hop.probed']): void => {
    const upstream = bound.of(`${fields.host}:${fields.port}`);
    opened.inc({ upstream, authenticated_by: fields.authenticatedBy, protocol: fields.protocol });
    handshakes.observe(fields.handshakeMs / 1e3);
    openings.observe(fields.ms / 1e3);
    expiry.set({ upstream }, Date.parse(fields.notAfter) / 1e3);
  };
  return {
    'hop.probed': count,
    'hop.secured': (fields) => {
      if (!fields.probed) count(fields);
    },
  };
}

function failureMetrics(define: Definitions, bound: LabelBound): Observer {
  const failures = define.counter(
    'sealpost_hop_failures_total',
    'Hops that could not be opened; result_type is that of RFC 8460 where the failure is tls.',
    ['upstream', 'failure', 'result_type', 'phase'],
  );
  const failovers = define.counter(
    'sealpost_failovers_total',
    'How often an upstream began to be passed over for another.',
    ['upstream'],
  );
  return {
    'hop.insecure': ({ host, port, resultType, phase }) => {
      const upstream = bound.of(`${host}:${port}`);
      failures.inc({ upstream, failure: 'tls', result_type: resultType, phase });
    },
    'hop.refused': ({ host, port, failure, phase }) => {
      failures.inc({ upstream: bound.of(`${host}:${port}`), failure, result_type: '', phase });
    },
    'hop.failed-over': ({ from }) => failovers.inc({ upstream: bound.of(from) }),
  };
}

function leaseMetrics(define: Definitions): Observer {
  const leases = define.tally(
    'sealpost_hop_leases_total',
    'Hops given to a transaction, by whether they had served before.',
    'reused',
  );
  const waits = define.histogram(
    'sealpost_hop_wait_seconds',
    'How long a transaction waited for its hop, opening included.',
    WAIT_BUCKETS,
  );
  for (const reused of ['true', 'false']) leases.add(reused, 0);
  return {
    'hop.leased': ({ reused, waitMs }) => {
      leases.add(String(reused));
      waits.observe(waitMs / 1e3);
    },
  };
}
