/**
 * The samples of a page in Prometheus's text format.
 */
export type Samples = ReadonlyMap<string, number>;

/** By name and labels, as they are written: `sealpost_hops{state="idle"}`. */
export function samplesIn(text: string): Samples {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const blank = line.lastIndexOf(' ');
      return [line.slice(0, blank), Number(line.slice(blank + 1))];
    }),
  );
}

/** The names of all metrics that the page tells of; of histograms those of their series too. */
export function namesIn(text: string): ReadonlySet<string> {
  const declared = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(
    declared.flatMap(([, name = '', type]) =>
      type === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
}
