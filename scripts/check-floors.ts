/**
 * Checks the floor plan of docs/DESIGN.md: imports go down only, and each outside library has one home.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';

const FLOORS: Readonly<Record<string, number>> = {
  commands: 8,
  config: 7,
  listener: 6,
  admin: 6,
  metrics: 6,
  sandbox: 6,
  diagnosis: 6,
  sendmail: 6,
  relay: 5,
  caps: 4,
  spool: 4,
  upstream: 3,
  database: 2,
  audit: 2,
  telemetry: 2,
  reports: 2,
  dns: 2,
  oauth: 2,
  tls: 1,
  log: 1,
  certificates: 1,
  state: 0,
  protocol: 0,
};

/** Modules with a home: the rooms that may import them. Everything else outside must not be imported at all. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  'node:tls': ['tls', 'sandbox'],
  // Only tls/ is a client.
  'node:https': ['tls', 'sandbox', 'admin'],
  'node:sqlite': ['spool'],
  'smtp-server': ['listener', 'sandbox'],
  'node-forge': ['certificates'],
  winston: ['log'],
  'prom-client': ['metrics'],
  uplot: ['admin'],
  'env-var': ['config'],
  'rate-limiter-flexible': ['listener'],
  pg: ['database'],
  'dns-packet': ['dns'],
  oauth4webapi: ['oauth'],
  '@mongodb-js/saslprep': ['upstream'],
};

/** Rooms without I/O and without timers. */
const PURE: readonly string[] = ['protocol'];
const PURE_IMPORTS: readonly string[] = ['node:buffer'];

/** Files that only those beside them may import. */
const WRAPPED: Readonly<Record<string, readonly string[]>> = {
  'upstream/channel.ts': [
    'upstream/plain-hop.ts',
    'upstream/secured-hop.ts',
    'upstream/transaction.ts',
    'upstream/body.ts',
    'upstream/authenticate.ts',
  ],
  // With its nonce as a parameter: only scram.ts, which takes a random one, may make an exchange.
  'upstream/sasl/scram-exchange.ts': ['upstream/sasl/scram.ts'],
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+'([^']+)'|\bimport(?:\.meta\.resolve)?\s*\(\s*'([^']+)'\s*\)|(?:^|\n)\s*import\s+'([^']+)'/g;

const problems: string[] = [];
for (const path of globSync('src/**/*.ts')) {
  const file = path
    .split(sep)
    .join('/')
    .replace(/^src\//, '');
  const text = readFileSync(path, 'utf8');
  for (const [, from, dynamic, bare] of text.matchAll(IMPORT)) check(file, from ?? dynamic ?? bare ?? '');
  if (/\bprocess\.env\b/.test(text) && roomOf(file) !== 'config')
    problems.push(`${file}: process.env belongs to config/`);
}

const proofs = globSync('src/**/*.ts').filter((path) => /new VerifiedTls\b/.test(readFileSync(path, 'utf8')));
if (proofs.length !== 1) problems.push(`VerifiedTls is made in ${proofs.length} files: ${proofs.join(', ')}`);

if (problems.length > 0) {
  process.stderr.write(`${problems.join('\n')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write('floors: imports go down only, each library has one home\n');
}

function check(file: string, specifier: string): void {
  if (specifier.startsWith('.')) checkOwn(file, normalize(join(dirname(file), specifier)));
  else checkOutside(file, specifier);
}

function checkOwn(file: string, imported: string): void {
  const [from, to] = [roomOf(file), roomOf(imported)];
  const wrappers = WRAPPED[imported];
  if (wrappers !== undefined && !wrappers.includes(file))
    problems.push(`${file}: must not import ${imported}`);
  if (from === to || from === undefined) return;
  const [floor, target] = [FLOORS[from], to === undefined ? undefined : FLOORS[to]];
  if (floor === undefined || target === undefined)
    problems.push(`${file}: imports ${imported}, and one has no floor`);
  else if (target >= floor) problems.push(`${file} (floor ${floor}) imports ${imported} (floor ${target})`);
}

function checkOutside(file: string, specifier: string): void {
  const room = roomOf(file);
  const name = specifier.startsWith('node:') ? specifier : packageOf(specifier);
  if (room !== undefined && PURE.includes(room) && !PURE_IMPORTS.includes(specifier)) {
    problems.push(`${file}: ${room}/ is pure and must not import ${specifier}`);
  }
  const homes = HOMES[name];
  if (homes === undefined && !name.startsWith('node:')) problems.push(`${file}: ${name} has no home`);
  else if (homes !== undefined && (room === undefined || !homes.includes(room))) {
    problems.push(`${file}: ${name} belongs to ${homes.join(', ')}`);
  }
}

/** The package of a specifier: `name` or `@scope/name`, without the path inside it. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** undefined for the executable, which stands above all floors. */
function roomOf(file: string): string | undefined {
  const [room] = file.split('/');
  return file.includes('/') ? room : undefined;
}
