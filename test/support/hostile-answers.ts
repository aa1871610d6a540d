/**
 * Ways for a script to misbehave at one point of the session.
 */
import type { Deviation } from './hostile-stage.ts';
import type { Answer, Connection } from './scripted-upstream.ts';

/** Another answer to one verb before TLS. */
export function inClear(verb: string, answer: Answer): Deviation {
  return { answer: (line, at) => (!at.secure && startsWith(line, verb) ? answer : undefined) };
}

/** Another answer to one verb inside TLS. */
export function insideTls(verb: string, answer: Answer): Deviation {
  return { answer: (line, at) => (at.secure && startsWith(line, verb) ? answer : undefined) };
}

/** The same answer to this verb and to everything after it: what is said in one flight must not fill the gap. */
export function insideTlsFrom(verb: string, answer: Answer): Deviation {
  return {
    answer: (_line, at) => (at.commands.some((line) => startsWith(line, verb)) ? answer : undefined),
  };
}

/** Writes to the relay for as long as it listens. */
export function withoutEnd(at: Connection, piece: string): void {
  const octets = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)));
  const { socket } = at;
  const write = (): void => {
    if (socket.destroyed || at.closed) return;
    if (socket.write(octets)) setImmediate(write);
    else socket.once('drain', write);
  };
  write();
}

/** Writes a text one octet at a time: slow, and honest. */
export function slowly(at: Connection, text: string): void {
  const { socket } = at;
  let written = 0;
  const timer = setInterval(() => {
    socket.write(text.charAt(written));
    written += 1;
    if (written === text.length) clearInterval(timer);
  }, 10);
  at.raw.once('close', () => clearInterval(timer));
}

/** Writes one octet at a time for as long as the relay listens: progress that never comes to an end. */
export function drip(at: Connection, octet: string, everyMs: number): void {
  const timer = setInterval(() => at.socket.write(octet), everyMs);
  at.raw.once('close', () => clearInterval(timer));
}

function startsWith(line: string, verb: string): boolean {
  return line.toUpperCase().startsWith(verb);
}
