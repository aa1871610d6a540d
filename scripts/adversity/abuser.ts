/**
 * Somebody who means no good, in a process of his own: `abuser.ts KIND PORT`. Says READY when all his connections stand,
 * goes on until his standard input ends, and then tells what he did as one line of JSON.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const SCANS_A_SECOND = 2_000;
const TICK_MS = 10;
const DRIP_MS = 1_000;
const OPENING_AT_ONCE = 200;

interface Deeds {
  connections: number;
  refused: number;
  replies: number;
}

const [kind = '', portText = ''] = process.argv.slice(2);
const port = Number(portText);
const deeds: Deeds = { connections: 0, refused: 0, replies: 0 };
const ending = new AbortController();
const ended = once(process.stdin.resume(), 'end').then(() => ending.abort());

const KINDS: Readonly<Record<string, () => Promise<void>>> = {
  idle: async () => hold(10_000, 'EHLO idle.test\r\n'),
  scanner: scan,
  drippers: async () => {
    const held = await openAll(200);
    for (const socket of held)
      socket.write('EHLO drip.test\r\nMAIL FROM:<drip@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nSubject: ');
    ready();
    while (!ending.signal.aborted) {
      for (const socket of held) if (socket.writable) socket.write('x');
      await Promise.race([delay(DRIP_MS), ended]);
    }
  },
  guessers: async () =>
    repeat(50, 'EHLO guess.test\r\n', () => {
      const guess = Buffer.from(`\0honest\0${Math.random()}`).toString('base64');
      return `AUTH PLAIN ${guess}\r\n`;
    }),
  recipients: async () =>
    repeat(20, 'EHLO many.test\r\nMAIL FROM:<many@x.test>\r\n', () =>
      Array.from({ length: 100 }, () => `RCPT TO:<${Math.random()}@y.test>\r\n`).join(''),
    ),
};

const act = KINDS[kind];
if (act === undefined) throw new Error(`unknown kind: ${kind}`);
await act();
await ended;
process.stdout.write(`${JSON.stringify(deeds)}\n`);
process.exit();

function ready(): void {
  process.stdout.write('READY\n');
}

/** @returns undefined when there is no connection to be had */
async function opened(): Promise<Socket | undefined> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('data', (octets: Buffer) => (deeds.replies += octets.toString('latin1').split('\n').length - 1));
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('close', () => resolve(false));
  });
  if (connected) deeds.connections += 1;
  else deeds.refused += 1;
  return connected ? socket : undefined;
}

async function openAll(count: number): Promise<readonly Socket[]> {
  const held: Socket[] = [];
  while (held.length + deeds.refused < count) {
    const more = Math.min(OPENING_AT_ONCE, count - held.length - deeds.refused);
    const sockets = await Promise.all(Array.from({ length: more }, opened));
    held.push(...sockets.filter((socket) => socket !== undefined));
  }
  return held;
}

async function hold(count: number, says: string): Promise<void> {
  const held = await openAll(count);
  for (const socket of held) socket.write(says);
  while (deeds.replies < held.length * 2 && !ending.signal.aborted) await delay(TICK_MS); // the greeting, and what is offered
  ready();
}

/** Connects, and is gone. */
async function scan(): Promise<void> {
  ready();
  const began = performance.now();
  let begun = 0;
  while (!ending.signal.aborted) {
    const due = ((performance.now() - began) / 1_000) * SCANS_A_SECOND;
    for (; begun < due; begun += 1) void opened().then((socket) => socket?.resetAndDestroy());
    await delay(TICK_MS);
  }
}

/** So many clients that say the same over and over, as soon as they have an answer; who is hung up on comes again. */
async function repeat(count: number, begin: string, next: () => string): Promise<void> {
  ready();
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (!ending.signal.aborted) await repeatOnce(begin, next);
    }),
  );
}

async function repeatOnce(begin: string, next: () => string): Promise<void> {
  const socket = await opened();
  if (socket === undefined) return delay(TICK_MS);
  socket.on('data', () => socket.writable && !ending.signal.aborted && socket.write(next()));
  socket.write(begin);
  // A reset is one way to hang up, and no failure of ours.
  await Promise.race([new Promise((resolve) => void socket.once('close', resolve)), ended]);
  socket.destroy();
}
