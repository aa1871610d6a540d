/**
 * What was measured, and how rounds become one number.
 */
import { median } from './numbers.ts';

/** What a round of a case can tell, by name; what does not apply is left out. */
export const FIGURES = {
  messages: 'messages',
  rate: 'messages a second',
  megabytes: 'MB a second',
  p50: 'median latency, ms',
  p99: '99th percentile of latency, ms',
  roundTrips: "the client's wait, round trips",
  cpuPerThousand: 'CPU seconds for 1,000 messages',
  cpuPerGigabyte: 'CPU seconds for a GB',
  growth: 'peak of the resident memory above what it was before, MB',
  handshakes: 'handshakes with the upstream for 1,000 messages',
  resumed: 'of them resumed',
  commands: 'commands to the upstream for a message',
  flights: 'flights to the upstream for a message',
  idleHeld: 'idle clients held',
  idleKilobytes: 'resident KB for an idle client',
  idleP50: 'median latency beside the idle clients over that without them',
} as const;

export type Figure = keyof typeof FIGURES;

export type Figures = Readonly<Partial<Record<Figure, number>>>;

export interface Outcome {
  readonly case: string;
  readonly peer: string;
  readonly round: number;
  readonly figures: Figures;
  /** Why this round does not count: a message lost, too many, refused. */
  readonly failure?: string;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface PeerVersion {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  /** Why it takes no part. */
  readonly missing?: string;
}

export class Results {
  readonly outcomes: Outcome[] = [];

  /** Why a peer's case does not count, if so: one bad round spoils all. */
  failure(caseName: string, peer: string): string | undefined {
    return this.#of(caseName, peer).find(({ failure }) => failure !== undefined)?.failure;
  }

  /** undefined when it was not measured or does not count. */
  spread(caseName: string, peer: string, figure: Figure): Spread | undefined {
    if (this.failure(caseName, peer) !== undefined) return undefined;
    return spreadOf(
      this.#of(caseName, peer)
        .map(({ figures }) => figures[figure])
        .filter((value) => value !== undefined),
    );
  }

  /** One peer's figure over another's, round by round: days and rounds differ by more than systems do. */
  ratio(caseName: string, figure: Figure, of: string, to: string): Spread | undefined {
    if ([of, to].some((peer) => this.failure(caseName, peer) !== undefined)) return undefined;
    const others = this.#of(caseName, to);
    const ratios = this.#of(caseName, of).flatMap(({ round, figures }) => {
      const other = others.find((outcome) => outcome.round === round)?.figures[figure];
      const own = figures[figure];
      return own === undefined || other === undefined || other === 0 ? [] : [own / other];
    });
    return spreadOf(ratios);
  }

  #of(caseName: string, peer: string): readonly Outcome[] {
    return this.outcomes.filter((outcome) => outcome.case === caseName && outcome.peer === peer);
  }
}

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}
