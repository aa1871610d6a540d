/**
 * A guide of docs/guides, read as a new user reads it: what it has one export, and the message it has one send.
 */
import { readFileSync } from 'node:fs';

import type { Variables } from './relay-process.ts';

export interface Guide {
  /** The exports of each block of commands, in order; blocks without any are left out. */
  readonly blocks: readonly Variables[];
  /** The address that its first message is from. */
  readonly sender: string;
}

export function readGuide(name: string): Guide {
  const text = readFileSync(new URL(`../../docs/guides/${name}.md`, import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block = '']) => block);
  const sender = /sendmail-cli\.js .*-f (\S+)/.exec(blocks.join('\n'))?.[1];
  if (sender === undefined) throw new Error(`${name}.md has no first message`);
  const exported = blocks.map((block) =>
    Object.fromEntries(
      [...block.matchAll(/^export (\w+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value]),
    ),
  );
  return { blocks: exported.filter((block) => Object.keys(block).length > 0), sender };
}
