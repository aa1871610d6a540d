/**
 * `sealpost health`: asks a relay that runs with the same variables, for the probes of containers.
 */
import { request, type RequestOptions } from 'node:http';
import { parseArgs } from 'node:util';

import { loadHealthPlaces, type HealthPlaces } from '../config/health-places.ts';
import { errorCode } from '../protocol/error-code.ts';
import { EXIT } from './exit.ts';
import { isUsageError, UsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost health [ready | live]

Asks the relay that runs here with the same variables, and says in one line how it is.

ready  whether a hop to the upstream was secured in the last minute, or can be now; the default
live   whether the relay answers

It is asked at a socket in SEALPOST_STATE_DIR, else at SEALPOST_ADMIN_LISTEN.

Exit code
   0  it is ready, or alive
   1  it is not; the line says why
  64  this command line cannot be understood
`;

const NOT_READY = 1;

/** For an answer that needs nothing of the upstream. */
const ANSWER_MS = 5_000;

/** @returns the exit code: 0, 1, 64 */
export async function health(args: readonly string[], out: NodeJS.WritableStream): Promise<number> {
  try {
    const { positionals } = parseArgs({ args: [...args], allowPositionals: true, options: {} });
    const { isWell, line } = await ask(pathOf(positionals));
    out.write(`${line}\n`);
    return isWell ? EXIT.ok : NOT_READY;
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`sealpost health: ${error.message}\n\n${USAGE}`);
    return EXIT.usage;
  }
}

type ProbePath = '/readyz' | '/livez';

/** @throws {UsageError} */
function pathOf([what = 'ready', ...more]: readonly string[]): ProbePath {
  if (more.length > 0) throw new UsageError(`what is "${more[0]}"?`);
  if (what === 'ready') return '/readyz';
  if (what === 'live') return '/livez';
  throw new UsageError(`"${what}" is none of ready, live`);
}

interface Finding {
  readonly isWell: boolean;
  readonly line: string;
}

async function ask(path: ProbePath): Promise<Finding> {
  const places = loadHealthPlaces();
  if ('problems' in places) {
    const [first] = places.problems;
    return { isWell: false, line: `not running: ${first?.variable} ${first?.text}` };
  }
  const patienceMs = ANSWER_MS + (path === '/readyz' ? places.connectMs : 0);
  let reason = 'port 0 leaves no place to ask at; set SEALPOST_LISTEN or SEALPOST_ADMIN_LISTEN';
  for (const place of optionsOf(places)) {
    try {
      return await answerOf({ ...place, path, agent: false, signal: AbortSignal.timeout(patienceMs) });
    } catch (error) {
      const code = errorCode(error) ?? 'unknown';
      if (code === 'ABORT_ERR') return { isWell: false, line: 'not ready: it does not answer in time' };
      reason = `nobody answers at ${place.socketPath ?? `${place.host}:${place.port}`} (${code})`;
    }
  }
  return { isWell: false, line: `not running: ${reason}` };
}

function optionsOf({ socket, address }: HealthPlaces): readonly RequestOptions[] {
  const places: RequestOptions[] = socket === undefined ? [] : [{ socketPath: socket }];
  if (address !== undefined && address.port !== 0) places.push({ host: address.host, port: address.port });
  return places;
}

/** @throws {Error} with `code` when there is no answer */
async function answerOf(options: RequestOptions): Promise<Finding> {
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const sent = request({ ...options, headers: { host: 'localhost' } }).end();
    sent.once('error', reject).once('response', (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text: body }));
    });
  });
  if (status === 200) return { isWell: true, line: options.path === '/livez' ? 'alive' : 'ready' };
  return { isWell: false, line: `not ready: ${/"reason":"([\w-]+)"/.exec(text)?.[1] ?? `answer ${status}`}` };
}
