/**
 * `sealpost check`: tells for each port of an upstream what is there, whether it is secure, and what to change.
 */
import { parseArgs, styleText } from 'node:util';

import { loadNamedUpstreams, type NamedUpstreams } from '../config/named-upstreams.ts';
import type { Settings } from '../config/settings.ts';
import { parseUpstreams } from '../config/upstream-list.ts';
import { Diagnostician } from '../diagnosis/diagnose.ts';
import { distinctPins, whyNoPin } from '../diagnosis/pins.ts';
import { renderText, type Paint, type Tone } from '../diagnosis/render-text.ts';
import type { Subject } from '../diagnosis/subject.ts';
import type { Route } from '../relay/routes.ts';
import { EXIT, printProblems } from './exit.ts';
import { isUsageError, UsageError } from './usage-error.ts';
import { upstreamsOf } from './upstreams.ts';

export const USAGE = `Usage: sealpost check [--json | --pin] [--no-color] [UPSTREAM…]

Each UPSTREAM is written as in SEALPOST_UPSTREAM, or is the NAME of a SEALPOST_UPSTREAM_<NAME>_URL;
without one, what SEALPOST_UPSTREAM and all of these say is checked. All other variables count as
for serve; configured credentials are offered only to upstreams that are configured: the same host
and port, under the pin= and server-name= that are configured for them.

--json      prints one JSON document
--pin       prints only what to copy to SEALPOST_TLS_PIN_SHA256, one line for each key
--no-color  prints no colours on a terminal either

Exit code
   0  mail would be delivered: by each upstream that is named here, or by one at least of those
      that SEALPOST_UPSTREAM and each SEALPOST_UPSTREAM_<NAME>_URL list; with --pin, a key was found
  64  this command line cannot be understood
  69  mail would not be delivered; with --pin, no key was found
  78  a variable is wrong or missing
`;

/** Of the connect timeout; the rest is for the process itself and for saying goodbye. */
const BUDGET_SHARE = 0.8;
const LEAST_BUDGET_SHARE = 0.5;

interface Request {
  readonly upstreams: readonly string[];
  readonly output: 'text' | 'json' | 'pin';
  readonly isPlain: boolean;
}

/** @returns the exit code: 0 when mail would be delivered, or a key was found; 69, 64, 78 */
export async function check(args: readonly string[], out: NodeJS.WriteStream): Promise<number> {
  out.on('error', () => undefined); // a reader that has left has read enough
  try {
    const request = requestOf(args);
    const loaded = loadNamedUpstreams(request.upstreams);
    return 'problems' in loaded ? printProblems(loaded.problems) : await checkAll(request, loaded, out);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`sealpost check: ${error.message}\n\n${USAGE}`);
    return EXIT.usage;
  }
}

/** @throws {UsageError} */
function requestOf(args: readonly string[]): Request {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      pin: { type: 'boolean', default: false },
      'no-color': { type: 'boolean', default: false },
    },
  });
  if (values.json && values.pin) throw new UsageError('--json and --pin exclude each other');
  for (const [index, text] of positionals.entries()) requireUpstream(text, index);
  const output = values.json ? 'json' : values.pin ? 'pin' : 'text';
  return { upstreams: positionals, output, isPlain: values['no-color'] };
}

/** Never repeats the argument, which may hold a password. */
function requireUpstream(text: string, index: number): void {
  try {
    parseUpstreams(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'cannot be read';
    throw new UsageError(`argument ${index + 1}: ${reason}`);
  }
}

async function checkAll(request: Request, found: NamedUpstreams, out: NodeJS.WriteStream): Promise<number> {
  const { settings } = found;
  const isNamedHere = request.upstreams.length > 0;
  const { targets, named, around, validating, settled } = upstreamsOf(settings, { emit: () => undefined });
  const diagnostician = new Diagnostician({
    around,
    validating,
    bogusName: settings.dnsBogusName,
    needed: settings.requireTls === 'require' ? 'REQUIRETLS' : undefined,
    budgetMs: budgetOf(settings),
    delivers: isNamedHere ? 'every' : 'some',
  });
  const subjects = [
    ...subjectsOf(targets, found),
    ...named.filter(({ name = '' }) => found.names.includes(name)).flatMap(subjectsOfRoute),
  ];
  if (request.output === 'pin') return printPins(diagnostician, subjects, out);
  const diagnosis = await diagnostician.diagnose(subjects);
  await settled();
  const text =
    request.output === 'json'
      ? `${JSON.stringify(diagnosis, undefined, 2)}\n`
      : renderText(diagnosis, paintFor(out, request.isPlain));
  return print(out, text, diagnosis.delivers ? EXIT.ok : EXIT.unavailable);
}

/** Our client certificate, too, is for the upstreams that are configured. */
function subjectsOf(
  targets: ReturnType<typeof upstreamsOf>['targets'],
  { settings, strangers }: NamedUpstreams,
): readonly Subject[] {
  return targets.map((target, index) => {
    const destination = settings.destinations[index];
    const isStranger = destination !== undefined && strangers.has(destination);
    if (!isStranger) return { target, isWithheld: false };
    return { target: { ...target, trust: target.trust.anonymous }, isWithheld: true };
  });
}

function subjectsOfRoute({ name: route, targets }: Route): readonly Subject[] {
  return targets.map((target) => ({ target, isWithheld: false, route }));
}

/** The time since the process began counts: the whole is to take less than the timeout. */
function budgetOf({ connectMs }: Settings): number {
  return Math.max(connectMs * LEAST_BUDGET_SHARE, connectMs * BUDGET_SHARE - performance.now());
}

async function printPins(
  diagnostician: Diagnostician,
  subjects: readonly Subject[],
  out: NodeJS.WriteStream,
): Promise<number> {
  const probes = await diagnostician.presentedKeys(subjects.map(({ target }) => target));
  const pins = distinctPins(probes);
  if (pins.length === 0) {
    process.stderr.write(`sealpost: no key was found: ${whyNoPin(probes)}\n`);
    return EXIT.unavailable;
  }
  process.stderr.write(
    "sealpost: this shows what answered, not who: compare it with what the server's operator says\n",
  );
  return print(out, pins.map((pin) => `${pin}\n`).join(''), EXIT.ok);
}

async function print(out: NodeJS.WriteStream, text: string, code: number): Promise<number> {
  await new Promise<void>((resolve) => out.write(text, () => resolve()));
  return code;
}

const FORMATS: Readonly<Record<Tone, Parameters<typeof styleText>[0]>> = {
  title: 'bold',
  label: 'dim',
  good: 'green',
  bad: 'red',
  warning: 'yellow',
};

/** Colours on a terminal only, and none where NO_COLOR is set: `styleText` looks at both. */
function paintFor(out: NodeJS.WriteStream, isPlain: boolean): Paint {
  if (isPlain) return (_tone, text) => text;
  return (tone, text) => styleText(FORMATS[tone], text, { stream: out });
}
