/**
 * From the process's environment to the variables of the table: names checked, empty ones dropped, `_FILE` twins read.
 */
import { inWordsOf } from '../relay/upstream-words.ts';
import { upstreamNamesIn, variablesBeside } from './named-upstream-variables.ts';
import { parseProvider, PROVIDER_VARIABLE } from './provider.ts';
import { readText } from './readers.ts';
import { VARIABLES } from './table.ts';
import type { Container, Variable } from './variable.ts';

/** What is wrong with a variable, and what would be right. */
export interface Problem {
  readonly variable: string;
  readonly text: string;
}

export interface Environment {
  readonly container: Container;
  readonly problems: readonly Problem[];
}

const PREFIX = 'SEALPOST_';
const USER_VARIABLE = 'SEALPOST_UPSTREAM_USER';
const PASSWORD_VARIABLE = 'SEALPOST_UPSTREAM_PASSWORD';
/** Kubernetes injects these for a Service named sealpost; they are not meant for us. */
const INJECTED = /^SEALPOST_(?:SERVICE_.*|PORT_.*|PORT(?==\w+:\/\/))/;

/**
 * OpenSSL would take trust anchors from the files that these name. Ours are named by SEALPOST_TLS_CA_FILE, so that one
 * look at one table tells who is trusted.
 */
export function forgetForeignTrust(environment: NodeJS.ProcessEnv = process.env): void {
  delete environment['SSL_CERT_FILE'];
  delete environment['SSL_CERT_DIR'];
}

/** The database's client library would take from these what the URL does not say, and load another library. */
const DATABASE_WORDS = /^(?:PG[A-Z_]+|NODE_PG_FORCE_NATIVE)$/;

/** Which database, and how it is reached, is said by SEALPOST_SPOOL alone. */
export function forgetForeignDatabase(environment: NodeJS.ProcessEnv = process.env): void {
  for (const name of Object.keys(environment)) if (DATABASE_WORDS.test(name)) delete environment[name];
}

/** With these Node reads the system's anchors, and so those files, before any of our code runs. */
const SYSTEM_CA_SWITCH = /use.?system.?ca/i;

function foreignTrustFaults(environment: NodeJS.ProcessEnv): readonly Problem[] {
  const names = ['SSL_CERT_FILE', 'SSL_CERT_DIR'].filter((name) => isSet(environment, name));
  // Node takes `_` for `-`, and drops quotes and backslashes.
  const switches = [environment['NODE_OPTIONS'] ?? '', ...process.execArgv].join(' ').replace(/["\\]/g, '');
  if (!isSet(environment, 'NODE_USE_SYSTEM_CA') && !SYSTEM_CA_SWITCH.test(switches)) return [];
  const text =
    'should not be set together with NODE_USE_SYSTEM_CA; name trust anchors with SEALPOST_TLS_CA_FILE';
  return names.map((variable) => ({ variable, text }));
}

export function readEnvironment(environment: NodeJS.ProcessEnv): Environment {
  const problems: Problem[] = [...foreignTrustFaults(environment)];
  const container: Record<string, string> = {};
  for (const [name, text = ''] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || INJECTED.test(`${name}=${text}`) || text === '') continue;
    const known = variablesNear(name);
    const isKnown = known.some((variable) => variable.name === name);
    const twinOf = known.find((variable) => hasTwin(variable) && `${variable.name}_FILE` === name);
    if (isKnown) container[name] = text;
    else if (twinOf === undefined) problems.push({ variable: name, text: unknownText(name) });
    else if (isSet(environment, twinOf.name))
      problems.push({ variable: name, text: `should not be set together with ${twinOf.name}` });
    else readTwin(twinOf.name, name, text, container, problems);
  }
  return { container: withPresets(container, problems), problems };
}

/** Those of the table, and those of the named upstream that the name may be about. */
function variablesNear(name: string): readonly Variable<unknown>[] {
  return [...VARIABLES, ...variablesBeside(name)];
}

function hasTwin({ isSecret, isLong }: Variable<unknown>): boolean {
  return isSecret || isLong;
}

/** What the providers set, under what the operator sets. */
function withPresets(own: Record<string, string>, problems: Problem[]): Container {
  const set: Record<string, string> = {};
  for (const upstream of [undefined, ...upstreamNamesIn(own)]) {
    const variable = inWordsOf(upstream, PROVIDER_VARIABLE);
    try {
      Object.assign(set, presetFor(upstream, own[variable], own));
    } catch (error) {
      problems.push({ variable, text: error instanceof Error ? error.message : 'cannot be read' });
      delete own[variable];
    }
  }
  return { ...set, ...own };
}

/**
 * @param upstream undefined for the one without a name
 * @throws {Error} that says what `provider` should be
 */
function presetFor(upstream: string | undefined, provider: string | undefined, own: Container): Container {
  if (provider === undefined) return {};
  const preset = parseProvider(provider);
  const password = own[inWordsOf(upstream, PASSWORD_VARIABLE)];
  const isUser = preset.provider.isUserThePassword === true && password !== undefined;
  const set = { ...preset.defaults, ...(isUser ? { [USER_VARIABLE]: password } : {}) };
  const named = Object.entries(set).map(([name, text]) => [inWordsOf(upstream, name), text] as const);
  // What is said about the pool counts for all upstreams, and is not for one that has a name.
  return Object.fromEntries(named.filter(([name]) => upstream === undefined || !(name in set)));
}

function readTwin(
  name: string,
  twin: string,
  path: string,
  container: Record<string, string>,
  problems: Problem[],
): void {
  try {
    const text = readText(path)
      .replace(/^\ufeff/, '')
      .replace(/\r?\n$/, '');
    if (text === '') problems.push({ variable: twin, text: 'should name a file that is not empty' });
    else container[name] = text;
  } catch (error) {
    problems.push({ variable: twin, text: error instanceof Error ? error.message : 'cannot be read' });
  }
}

function isSet(environment: NodeJS.ProcessEnv, name: string): boolean {
  return (environment[name] ?? '') !== '';
}

/** A typo must not silently mean a default. */
function unknownText(name: string): string {
  const similar = variablesNear(name)
    .map((variable) => variable.name)
    .map((known) => ({ known, distance: editDistance(name, known) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  const hint = similar !== undefined && similar.distance <= 4 ? `; is it ${similar.known}?` : '';
  return `is not a variable of Sealpost${hint}`;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
