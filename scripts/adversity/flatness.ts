/**
 * Whether a figure is flat over time.
 *
 * The rule: of the second half of the samples, a straight line is fitted (least squares); what it rises by from the
 * beginning of the half to its end must not exceed what is allowed. The first half is for caches, pools and compiled code.
 */
export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export interface Trend {
  /** What the line rises by in the second half. */
  readonly rise: number;
  /** Mean of the second half. */
  readonly level: number;
}

export function trendOf(samples: readonly Sample[]): Trend {
  const half = samples.slice(Math.floor(samples.length / 2));
  const [first, last] = [half[0], half.at(-1)];
  if (first === undefined || last === undefined || half.length < 3) throw new Error('too few samples');
  const meanAt = mean(half.map(({ atMs }) => atMs));
  const level = mean(half.map(({ value }) => value));
  const covariance = half.reduce((sum, { atMs, value }) => sum + (atMs - meanAt) * (value - level), 0);
  const variance = half.reduce((sum, { atMs }) => sum + (atMs - meanAt) ** 2, 0);
  return { rise: (covariance / variance) * (last.atMs - first.atMs), level };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
