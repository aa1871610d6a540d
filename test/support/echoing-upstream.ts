/**
 * An upstream that repeats in its refusals what it was sent at AUTH, as it came and decoded.
 *
 * Guarantees: who has a name that begins with `good` is let in; every response it was sent is among the secrets.
 */
import { randomBytes } from 'node:crypto';

import type { TestAuthority } from './pki.ts';
import { ScriptedUpstream, type Answer, type Connection } from './scripted-upstream.ts';
import type { PlantedSecrets } from './secret-traces.ts';

const PROMPTS: Readonly<Record<string, readonly string[]>> = {
  PLAIN: [''],
  LOGIN: ['Username:', 'Password:'],
  'CRAM-MD5': [`<${randomBytes(4).toString('hex')}@upstream.test>`],
};

/** What it has been sent of one AUTH. */
interface Turn {
  readonly prompts: readonly string[];
  readonly lines: string[];
}

export async function echoingUpstream(
  authority: TestAuthority,
  secrets: PlantedSecrets,
): Promise<ScriptedUpstream> {
  const turns = new WeakMap<Connection, Turn>();
  const answer = (line: string, at: Connection): Answer | undefined => {
    const [verb = '', mechanism = '', response] = line.split(' ');
    if (verb === 'AUTH')
      turns.set(at, { prompts: PROMPTS[mechanism] ?? [], lines: response === undefined ? [] : [response] });
    const turn = turns.get(at);
    if (turn === undefined) return undefined;
    if (verb !== 'AUTH') turn.lines.push(line);
    const prompt = turn.prompts[turn.lines.length];
    if (prompt !== undefined) return `334 ${Buffer.from(prompt).toString('base64')}\r\n`;
    turns.delete(at);
    return verdict(turn.lines, secrets);
  };
  const keywords = ['PIPELINING', '8BITMIME', `AUTH ${Object.keys(PROMPTS).join(' ')}`];
  return ScriptedUpstream.start({ mode: 'implicit', identity: authority.issue(), keywords, answer });
}

function verdict(lines: readonly string[], secrets: PlantedSecrets): string {
  for (const line of lines) secrets.keep('AUTH line', line);
  const decoded = lines.map((line) => Buffer.from(line, 'base64').toString());
  if (decoded.some((text) => /^\0?good/.test(text))) return '235 2.7.0 Accepted\r\n';
  const said = decoded.join(' ').replaceAll('\0', ' ');
  return `535-5.7.8 Not accepted: ${lines.join(' ')}\r\n535 5.7.8 I read ${said}\r\n`;
}
