/**
 * `sealpost certificate`: shows, renews and exports what the local CA has issued.
 */
import { parseArgs } from 'node:util';

import { buildPkcs12 } from '../certificates/build-certificates.ts';
import {
  describe,
  loadOrIssue,
  renew,
  type CertificateDescription,
} from '../certificates/local-authority.ts';
import { LocalAuthorityError } from '../certificates/pair-directory.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { readPasswordFile } from './password-file.ts';
import { isUsageError, UsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost certificate show
       sealpost certificate renew [--ca]
       sealpost certificate export [--ca | --leaf | --p12 FILE --password-file FILE]

show    prints the local CA and the certificate for localhost that it issued.
renew   issues that certificate anew, with a new key; --ca replaces the CA first, which
        every client must then be told to trust again.
export  writes the CA's certificate in PEM to standard output, for the clients' trust stores;
        --leaf writes the certificate for localhost instead, --p12 both with the private key
        to a PKCS#12 file, encrypted under the first line of the password file.
`;

export interface CertificateSettings {
  readonly stateDirectory: string;
}

/** @returns the exit code: 0, 1 when the files are not as they must be, 64 (EX_USAGE) */
export async function certificate(
  args: readonly string[],
  settings: CertificateSettings,
  out: NodeJS.WritableStream,
): Promise<number> {
  try {
    return await run(args, settings.stateDirectory, out);
  } catch (error) {
    if (isUsageError(error)) {
      process.stderr.write(`sealpost certificate: ${error.message}\n\n${USAGE}`);
      return 64;
    }
    if (!(error instanceof LocalAuthorityError)) throw error;
    process.stderr.write(`sealpost certificate: ${error.message}\n`);
    return 1;
  }
}

async function run(
  args: readonly string[],
  stateDirectory: string,
  out: NodeJS.WritableStream,
): Promise<number> {
  const [action, ...rest] = args;
  switch (action) {
    case 'show':
      parseArgs({ args: rest, options: {} });
      return show(stateDirectory, out);
    case 'renew':
      return renewNow(rest, stateDirectory, out);
    case 'export':
      return exportFrom(rest, stateDirectory, out);
    case undefined:
      throw new UsageError('say what to do: show, renew or export');
    default:
      throw new UsageError(`there is no "${action}"; there are show, renew and export`);
  }
}

async function show(stateDirectory: string, out: NodeJS.WritableStream): Promise<number> {
  const found = await describe(stateDirectory);
  if (found === undefined) {
    out.write(`There is no local CA in ${stateDirectory} yet. It is made when it is first needed.\n`);
    return 1;
  }
  out.write(`Local CA\n${table(found.authority)}`);
  if (found.leaf !== undefined) out.write(`\nCertificate for localhost\n${table(found.leaf)}`);
  return 0;
}

async function renewNow(
  args: readonly string[],
  stateDirectory: string,
  out: NodeJS.WritableStream,
): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { ca: { type: 'boolean', default: false } } });
  const identity = await renew(stateDirectory, { authority: values.ca ? 'replace' : 'keep' });
  if (values.ca) out.write(`Replaced the local CA: clients must trust ${identity.caFile} from now on.\n`);
  out.write(`Issued a certificate for localhost, valid until ${day(identity.notAfter)}.\n`);
  out.write('A relay that is running takes it up at SIGHUP, or when it is restarted.\n');
  return 0;
}

async function exportFrom(
  args: readonly string[],
  stateDirectory: string,
  out: NodeJS.WritableStream,
): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ca: { type: 'boolean' },
      leaf: { type: 'boolean' },
      p12: { type: 'string' },
      'password-file': { type: 'string' },
    },
  });
  const { ca, leaf, p12, 'password-file': passwordFile } = values;
  if ([ca, leaf, p12].filter((wish) => wish !== undefined).length > 1) {
    throw new UsageError('--ca, --leaf and --p12 exclude each other');
  }
  if ((p12 === undefined) !== (passwordFile === undefined)) {
    throw new UsageError('--p12 and --password-file belong together');
  }
  const password = passwordFile === undefined ? undefined : await readPasswordFile(passwordFile);
  const identity = await loadOrIssue(stateDirectory);
  if (p12 === undefined || password === undefined) {
    out.write(leaf === true ? identity.cert : identity.ca);
    return 0;
  }
  await writeFileAtomically(p12, buildPkcs12(identity, identity.ca, password), { mode: 0o600 });
  out.write(`Wrote ${p12}: the certificate for localhost, its private key and the local CA.\n`);
  return 0;
}

function table(of: CertificateDescription): string {
  const rows = [
    ['Subject', of.subject],
    ['Names', of.names],
    ['Valid', `${day(of.notBefore)} to ${day(of.notAfter)}`],
    ['SHA-256', of.fingerprint],
    ['SPKI pin', of.pin],
    ['Certificate', of.certFile],
    ['Private key', of.keyFile],
  ] as const;
  return rows
    .filter(([, value]) => value !== '')
    .map(([title, value]) => `  ${title.padEnd(12)} ${value}\n`)
    .join('');
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
