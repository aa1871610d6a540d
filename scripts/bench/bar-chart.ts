/**
 * Horizontal bars as SVG: one system a line, the median as the bar, lowest and highest as a whisker.
 */
import { shortNumber } from './rounds.ts';

export interface Bar {
  readonly label: string;
  /** Drawn in the colour that stands out. */
  readonly isOwn: boolean;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const WIDTH = 860;
const LABEL_WIDTH = 270;
const NUMBER_WIDTH = 80;
const HEAD = 46;
const LINE = 26;
const THICKNESS = 16;

export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ max }) => max));
  const scale = (WIDTH - LABEL_WIDTH - NUMBER_WIDTH) / (most > 0 ? most : 1);
  const lines = bars.map((bar, index) => line(bar, HEAD + index * LINE, scale));
  return svg(WIDTH, HEAD + bars.length * LINE + 12, title, lines);
}

/** The frame of every plot: white ground, so that it can be read on a dark page. */
export function svg(width: number, height: number, title: string, content: readonly string[]): string {
  const heading = `<text x="16" y="26" font-size="15" font-weight="bold">${escaped(title)}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="13" role="img">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
${heading}
${content.join('\n')}
</svg>
`;
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function line({ label, isOwn, median, min, max }: Bar, top: number, scale: number): string {
  const middle = top + THICKNESS / 2;
  const [length, from, to] = [median, min, max].map((value) => (value * scale).toFixed(1));
  const text = `y="${middle + 4}"${isOwn ? ' font-weight="bold"' : ''}`;
  const end = (LABEL_WIDTH + max * scale + 8).toFixed(1);
  return [
    `<text x="${LABEL_WIDTH - 10}" ${text} text-anchor="end">${escaped(label)}</text>`,
    `<rect x="${LABEL_WIDTH}" y="${top}" width="${length}" height="${THICKNESS}" fill="${isOwn ? '#0b6e4f' : '#9fb3c8'}"/>`,
    `<path d="M${LABEL_WIDTH} ${middle} m${from} 0 H${LABEL_WIDTH + Number(to)}" stroke="#333333"/>`,
    `<text x="${end}" ${text}>${shortNumber(median)}</text>`,
  ].join('\n');
}
