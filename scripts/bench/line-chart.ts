/**
 * Lines as SVG over a logarithmic axis: does a cost grow with what came before it?
 */
import { escaped, svg } from './bar-chart.ts';
import { shortNumber } from './rounds.ts';

export interface Line {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const WIDTH = 860;
const PANEL = 190;
const LEFT = 90;
const RIGHT = 30;
const TOP = 60;
const BELOW = 46;
const HEADROOM = 1.15;

/** One panel for each line, below one another, over the same axis. */
export function lineChart(title: string, axis: string, lines: readonly Line[]): string {
  const panels = lines.map((one, index) => panel(one, axis, TOP + index * (PANEL + BELOW)));
  return svg(WIDTH, TOP + lines.length * (PANEL + BELOW), title, panels);
}

function panel({ label, points }: Line, axis: string, top: number): string {
  const logs = points.map(({ x }) => Math.log10(x));
  const [first, last] = [Math.min(...logs), Math.max(...logs)];
  const most = Math.max(...points.map(({ y }) => y)) * HEADROOM;
  const width = WIDTH - LEFT - RIGHT;
  const height = PANEL - 24;
  const place = ({ x, y }: { x: number; y: number }): { x: string; y: string } => ({
    x: (LEFT + (last > first ? (Math.log10(x) - first) / (last - first) : 0.5) * width).toFixed(1),
    y: (top + 24 + height * (1 - (most > 0 ? y / most : 0))).toFixed(1),
  });
  const bottom = top + 24 + height;
  const marks = points.map((point) => {
    const { x, y } = place(point);
    return [
      `<circle cx="${x}" cy="${y}" r="4" fill="#0b6e4f"/>`,
      `<text x="${x}" y="${Number(y) - 9}" text-anchor="middle">${shortNumber(point.y)}</text>`,
      `<text x="${x}" y="${bottom + 17}" text-anchor="middle" fill="#555555">${shortNumber(point.x)}</text>`,
    ].join('\n');
  });
  const path = points.map((point) => Object.values(place(point)).join(',')).join(' ');
  return [
    `<text x="16" y="${top + 8}">${escaped(label)}</text>`,
    `<path d="M${LEFT - 20} ${bottom} H${WIDTH - RIGHT + 20}" stroke="#999999"/>`,
    `<text x="16" y="${bottom + 17}" fill="#555555">${escaped(axis)}</text>`,
    `<polyline points="${path}" fill="none" stroke="#0b6e4f" stroke-width="2"/>`,
    ...marks,
  ].join('\n');
}
