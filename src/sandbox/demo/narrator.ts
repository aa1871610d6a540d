/**
 * Tells the demo on a terminal or into a file, in 80 columns.
 *
 * Colour only where the stream is a terminal that wants it: node:util asks isTTY and NO_COLOR.
 */
import { styleText } from 'node:util';

import { printable } from '../../protocol/printable.ts';
import type { Sight } from '../attackers/wire.ts';
import type { Said } from './legacy-client.ts';

const COLUMNS = 80;
const RULE = '─'.repeat(COLUMNS);

type Style = Parameters<typeof styleText>[0];

export class Narrator {
  readonly #out: NodeJS.WritableStream;

  constructor(out: NodeJS.WritableStream) {
    this.#out = out;
  }

  /** A line as it is. */
  line(text = '', style: Style = []): void {
    this.#out.write(`${text === '' ? '' : this.#styled(style, text)}\n`);
  }

  paragraph(text: string): void {
    for (const line of wrapped(text, COLUMNS)) this.line(line);
  }

  /** Begins a part of the story. */
  section(title: string): void {
    this.line();
    this.line(RULE, 'dim');
    this.line(title, 'bold');
    this.line();
  }

  heading(text: string): void {
    this.line();
    for (const line of wrapped(text, COLUMNS)) this.line(line, 'bold');
  }

  /** A dialog in clear text; replies may be long and are wrapped. */
  dialog(said: readonly Said[]): void {
    for (const { by, line } of said) this.#spoken(by, line, by === 'client' ? 'cyan' : []);
  }

  /**
   * What an eavesdropper sees.
   *
   * @param upstream who sits at the other end
   * @param tampered lines that an attacker made
   */
  wire(seen: readonly Sight[], upstream = 'upstream', tampered: readonly string[] = []): void {
    for (const sight of seen) {
      const by = sight.from === 'relay' ? 'relay' : upstream;
      if (sight.kind === 'record') {
        this.#spoken(by, `TLS ${sight.content}, ${grouped(sight.octets)} octets`, 'green');
      } else if (sight.from === 'upstream' && tampered.includes(sight.text)) {
        this.#spoken('attacker', sight.text, 'red');
      } else this.#spoken(by, sight.text, 'yellow');
    }
  }

  /** Label and value, one under the other. */
  fact(label: string, value: string): void {
    this.#indented(`  ${label.padEnd(12)} `, value, []);
  }

  /** A check of the demo itself, and whether it held. */
  check(text: string, holds: boolean): void {
    this.#indented(holds ? '  ✓ ' : '  ✗ ', text, holds ? 'green' : 'red');
  }

  result(text: string, holds: boolean): void {
    this.line();
    this.#indented('Result: ', text, holds ? ['bold', 'green'] : ['bold', 'red']);
  }

  #spoken(by: string, text: string, style: Style): void {
    this.#indented(`  ${by.padEnd(8)} `, printable(text), style);
  }

  #indented(head: string, text: string, style: Style): void {
    const [first = '', ...rest] = wrapped(text, COLUMNS - head.length);
    this.line(first === '' ? head.trimEnd() : head + this.#styled(style, first));
    for (const line of rest) this.line(' '.repeat(head.length) + this.#styled(style, line));
  }

  #styled(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#out });
  }
}

/** Broken at blanks; a word longer than the width stays whole. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** 1234567 → `1 234 567`. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ' ');
}
