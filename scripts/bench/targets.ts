/**
 * What the benchmark must show: rows of "at least" and "goal", judged by what was measured.
 */
import type { Figure, Results, Spread } from './results.ts';

const OWN = 'sealpost';

export interface Judged {
  readonly case: string;
  readonly what: string;
  readonly wanted: string;
  readonly goal: string;
  readonly measured: Spread | undefined;
  readonly verdict: 'goal' | 'reached' | 'not reached' | 'not measured';
}

/** A number that is to be high or low. */
interface Target {
  readonly case: string;
  readonly what: string;
  readonly measured: (results: Results) => Spread | undefined;
  readonly direction: 'at least' | 'at most';
  readonly wanted: number;
  readonly goal?: number;
  readonly unit?: string;
}

const TARGETS: readonly Target[] = [
  ...['new-10', 'new-50'].flatMap((name) => [
    faster(name, 'nginx', 0.6, 1.3),
    faster(name, 'stunnel', 1.5),
    faster(name, 'postfix', 4),
    faster(name, 'haraka', 11),
  ]),
  faster('reused-10', 'haproxy', 0.75, 1),
  faster('reused-10', 'stunnel', 1.2),
  ...['postfix', 'haraka', 'nodemailer', 'msmtpd'].map((peer) => faster('reused-10', peer, 4)),
  own('new-10', 'CPU for 1,000 messages', 'cpuPerThousand', 'at most', 0.8, { goal: 0.34, unit: ' s' }),
  own('reused-10', 'CPU for 1,000 messages', 'cpuPerThousand', 'at most', 0.15, { unit: ' s' }),
  slower('latency-new', 'stunnel', 'p50', 'median latency', 1),
  slower('latency-new', 'nginx', 'p50', 'median latency (the goal)', 1),
  ...['bulk-1', 'bulk-4'].flatMap((name) => [
    faster(name, 'stunnel', 0.7, 1, 'megabytes'),
    own(name, 'growth of the resident memory', 'growth', 'at most', 40, { unit: ' MB' }),
  ]),
  ...[
    { name: 'rtt-new', most: 2.2 },
    { name: 'rtt-r10-p', most: 2.2 },
    { name: 'rtt-data-new', most: 3.2 },
    { name: 'rtt-data-r10-p', most: 3.2 },
  ].map(({ name, most }) => own(name, "the client's wait in round trips", 'roundTrips', 'at most', most)),
  ...['new-10', 'reused-10'].map((name) =>
    own(name, 'handshakes with the upstream for 1,000 messages', 'handshakes', 'at most', 5),
  ),
  own('idle-10000', 'resident memory for a client', 'idleKilobytes', 'at most', 20, {
    goal: 10,
    unit: ' KB',
  }),
  own(
    'idle-10000',
    'median latency of an active client over that without the idle ones',
    'idleP50',
    'at most',
    1.15,
  ),
];

export function judge(results: Results): readonly Judged[] {
  return TARGETS.map((target) => {
    const measured = target.measured(results);
    const { direction, wanted, goal, unit = '' } = target;
    return {
      case: target.case,
      what: target.what,
      wanted: `${direction} ${wanted}${unit}`,
      goal: goal === undefined ? '' : `${goal}${unit}`,
      measured,
      verdict: verdictOf(target, measured?.median),
    };
  });
}

function verdictOf({ direction, wanted, goal }: Target, value: number | undefined): Judged['verdict'] {
  if (value === undefined) return 'not measured';
  const meets = (bound: number): boolean => (direction === 'at least' ? value >= bound : value <= bound);
  if (goal !== undefined && meets(goal)) return 'goal';
  return meets(wanted) ? 'reached' : 'not reached';
}

function faster(name: string, peer: string, wanted: number, goal?: number, figure: Figure = 'rate'): Target {
  return {
    case: name,
    what: `${figure === 'rate' ? 'messages' : 'MB'} a second, × ${peer}`,
    measured: (results) => results.ratio(name, figure, OWN, peer),
    direction: 'at least',
    wanted,
    ...(goal === undefined ? {} : { goal }),
  };
}

function slower(name: string, peer: string, figure: Figure, words: string, wanted: number): Target {
  return {
    case: name,
    what: `${words}, × ${peer}`,
    measured: (results) => results.ratio(name, figure, OWN, peer),
    direction: 'at most',
    wanted,
  };
}

function own(
  name: string,
  what: string,
  figure: Figure,
  direction: Target['direction'],
  wanted: number,
  more: { readonly goal?: number; readonly unit?: string } = {},
): Target {
  return {
    case: name,
    what,
    measured: (results) => results.spread(name, OWN, figure),
    direction,
    wanted,
    ...more,
  };
}
