/**
 * Canaries: a word put where secrets are, looked for wherever they must not be.
 *
 * Guarantees: found in any letter case, in hexadecimal, and in base64 at whatever offset the word begins.
 */
import { base64At } from './secret-traces.ts';

const WORD = 'canary-';

/** Put into bodies, addresses and passwords of the hostile tests. */
export const CANARY_PASSWORD = `${WORD}password-5b1f`;

/** One message of a test, with a canary in everything that is a secret of the sender. */
export interface CanaryMessage {
  readonly from: string;
  readonly to: string;
  readonly content: string;
}

/** A message that no other test has sent. */
export function canaryMessage(number: number): CanaryMessage {
  const content = [
    `From: <${WORD}header@sender.test>`,
    `Subject: ${WORD}subject-${number}`,
    'Date: Mon, 05 Oct 2026 10:00:00 +0000',
    `Message-ID: <${WORD}id-${number}@sender.test>`,
    '',
    `${WORD}body-${number}`,
  ];
  return {
    from: `${WORD}from-${number}@sender.test`,
    to: `${WORD}to-${number}@recipient.test`,
    content: content.join('\r\n'),
  };
}

/** The first trace of a canary in the octets, or undefined. */
export function canaryIn(octets: Buffer | string): string | undefined {
  const text = typeof octets === 'string' ? octets : octets.toString('latin1');
  const folded = text.toLowerCase();
  for (const trace of TRACES) {
    const at = trace.folded ? folded.indexOf(trace.text) : text.indexOf(trace.text);
    if (at >= 0) return text.slice(Math.max(0, at - 60), at + 60);
  }
  return undefined;
}

const TRACES = [
  { text: WORD, folded: true },
  { text: Buffer.from(WORD).toString('hex'), folded: true },
  ...[0, 1, 2].map((offset) => ({ text: base64At(WORD, offset), folded: false })),
];
