/**
 * Deliveries and refusals over time: bars, one upon the other. `uPlot` comes with a script of its own.
 */
import { element } from './elements.js';

/** @typedef {import('../status.ts').TrafficView} TrafficView */

const HEIGHT = 160;
const KINDS = /** @type {const} */ (['delivered', 'kept', 'refused']);
/** From the bottom up each stands on those before it; drawn from the top down, so that each covers what is below. */
const DRAWN = KINDS.toReversed();

export class Chart {
  /** @type {HTMLElement} */ #place;
  /** @type {HTMLElement} */ #counts;
  /** Counts by time, by range. @type {Map<string, { spanMs: number, rangeMs: number, spans: Map<number, number[]> }>} */
  #ranges = new Map();
  #range = 'hour';
  /** @type {uPlot | undefined} */ #plot;
  #spoken = '';

  /** @param {HTMLElement} place @param {HTMLElement} counts */
  constructor(place, counts) {
    this.#place = place;
    this.#counts = counts;
    new ResizeObserver(() => this.#plot?.setSize(this.#size)).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#renew());
  }

  /** Forgets what was counted before. */
  clear() {
    this.#ranges.clear();
  }

  /** @param {Readonly<Record<string, TrafficView>>} traffic what replaces the spans of the same time @param {number} now */
  take(traffic, now) {
    for (const [name, { spanMs, rangeMs, spans }] of Object.entries(traffic)) {
      const range = this.#ranges.get(name) ?? { spanMs, rangeMs, spans: new Map() };
      for (const [from, ...counts] of spans) range.spans.set(from, counts);
      for (const from of range.spans.keys()) if (from < now - rangeMs) range.spans.delete(from);
      this.#ranges.set(name, range);
    }
  }

  /** @param {string} range */
  show(range) {
    this.#range = range;
  }

  /** @param {number} now */
  draw(now) {
    const data = this.#dataAt(now);
    this.#plot ??= this.#make(data);
    this.#plot.setData(data);
    this.#tellSums();
  }

  /** @param {number} now @returns {uPlot.AlignedData} */
  #dataAt(now) {
    const { spanMs, rangeMs, spans } = this.#ranges.get(this.#range) ?? EMPTY;
    const last = Math.floor(now / spanMs) * spanMs;
    const times = Array.from(
      { length: rangeMs / spanMs },
      (_, index) => last - rangeMs + (index + 1) * spanMs,
    );
    const heights = DRAWN.map((kind) => {
      const below = KINDS.slice(0, KINDS.indexOf(kind) + 1);
      return times.map((time) => sum(below.map((_, index) => spans.get(time)?.[index] ?? 0)));
    });
    return [times.map((time) => time / 1_000), ...heights];
  }

  #renew() {
    const data = this.#plot?.data;
    this.#plot?.destroy();
    if (data !== undefined) this.#plot = this.#make(data);
  }

  /** @param {uPlot.AlignedData} data */
  #make(data) {
    const style = getComputedStyle(this.#place);
    const ink = style.getPropertyValue('--quiet');
    const axis = { stroke: ink, font: '12px system-ui', ticks: { show: false } };
    const bars = uPlot.paths.bars?.({ size: [0.9, 40], align: 1 });
    const series = DRAWN.map((kind) => {
      const fill = style.getPropertyValue(`--${kind}`);
      return { fill, stroke: fill, width: 0, points: { show: false }, ...(bars && { paths: bars }) };
    });
    /** @type {uPlot.Options} */
    const options = {
      ...this.#size,
      series: [{}, ...series],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_, first, last) => [first, last + this.#spanSeconds] },
        y: { range: (_, _low, high) => [0, Math.max(4, high * 1.1)] },
      },
      axes: [
        { ...axis, size: 28, grid: { show: false }, values: timeLabels },
        { ...axis, size: 40, grid: { stroke: style.getPropertyValue('--line') }, incrs: WHOLE },
      ],
    };
    return new uPlot(options, data, this.#place);
  }

  get #spanSeconds() {
    return (this.#ranges.get(this.#range) ?? EMPTY).spanMs / 1_000;
  }

  get #size() {
    return { width: Math.max(200, this.#place.clientWidth), height: HEIGHT };
  }

  /** The same in words, which is the legend, too. */
  #tellSums() {
    const spans = [...(this.#ranges.get(this.#range) ?? EMPTY).spans.values()];
    const sums = KINDS.map((_, index) => sum(spans.map((counts) => counts[index] ?? 0)));
    if (sums.join() === this.#spoken) return;
    this.#spoken = sums.join();
    const parts = KINDS.map((kind, index) =>
      element('span', { class: 'count', 'data-kind': kind }, [
        element('strong', {}, [String(sums[index])]),
        ` ${kind}`,
      ]),
    );
    this.#counts.replaceChildren(...parts);
  }
}

/** Before anything was told. */
const EMPTY = { spanMs: 60_000, rangeMs: 3_600_000, spans: new Map() };

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000];

/** @param {uPlot} _plot @param {number[]} seconds */
function timeLabels(_plot, seconds) {
  return seconds.map((one) =>
    new Date(one * 1_000).toLocaleTimeString(undefined, {
      hour: '2-digit',
      minute: '2-digit',
      hour12: false,
    }),
  );
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, one) => total + one, 0);
}
