/**
 * A key and its certificate on disk, in a directory of their own that appears and is replaced as one.
 *
 * Guarantees: a pair is written whole or not at all (a temporary directory, fsync, rename), and of several processes
 * that make the same pair at once exactly one wins; a half pair or one that does not match is an error that names the
 * file, never mended in silence.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { errorCode } from '../protocol/error-code.ts';
import { syncDirectory, writeSynced } from '../state/atomic-file.ts';
import { makeDirectory } from '../state/make-directory.ts';
import type { Pair } from './build-certificates.ts';

/** What is wrong with the stored files, in words for the operator. */
export class LocalAuthorityError extends Error {
  override readonly name = 'LocalAuthorityError';
  readonly file: string;

  constructor(file: string, problem: string, options?: ErrorOptions) {
    super(`${file} ${problem}`, options);
    this.file = file;
  }
}

/** Where a pair lives, and how private its key is. */
export interface PairPlace {
  readonly directory: string;
  readonly keyFile: string;
  readonly certFile: string;
  readonly keyMode: number;
}

export function pairPlace(directory: string, keyMode: number): PairPlace {
  return { directory, keyFile: join(directory, 'key.pem'), certFile: join(directory, 'cert.pem'), keyMode };
}

const READ_ATTEMPTS = 3;
const REPLACEMENT_MS = 50;

/**
 * The stored pair, undefined when there is none at all.
 *
 * Another process may be replacing the directory between the two reads, so a half or unmatched pair is read again
 * before it is believed.
 *
 * @throws {LocalAuthorityError} a file is missing, unreadable, not PEM, or the key is another certificate's
 */
export async function readPair(place: PairPlace): Promise<Pair | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readOnce(place);
    } catch (error) {
      if (!(error instanceof LocalAuthorityError) || attempt === READ_ATTEMPTS) throw error;
    }
    await delay(REPLACEMENT_MS);
  }
}

/** Stores a pair where none is yet. False when another process was first; its pair then stands. */
export async function createPair(place: PairPlace, pair: Pair): Promise<boolean> {
  return putInPlace(await writeAside(place, pair), place);
}

/** Puts a pair in the place of the stored one. False when another process did the same and was first. */
export async function replacePair(place: PairPlace, pair: Pair): Promise<boolean> {
  const fresh = await writeAside(place, pair);
  const retired = await mkdtemp(`${place.directory}.old-`);
  try {
    await rename(place.directory, join(retired, 'pair'));
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  try {
    return await putInPlace(fresh, place);
  } finally {
    await rm(retired, { recursive: true, force: true });
  }
}

async function putInPlace(fresh: string, place: PairPlace): Promise<boolean> {
  try {
    // rename(2) replaces no directory that has entries: this is the moment in which one process wins.
    await rename(fresh, place.directory);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
  await syncDirectory(dirname(place.directory));
  return true;
}

async function readOnce(place: PairPlace): Promise<Pair | undefined> {
  const key = await readIfPresent(place.keyFile);
  const cert = await readIfPresent(place.certFile);
  if (key === undefined && cert === undefined) return undefined;
  if (key === undefined)
    throw new LocalAuthorityError(place.keyFile, `is missing, ${place.certFile} is there`);
  if (cert === undefined)
    throw new LocalAuthorityError(place.certFile, `is missing, ${place.keyFile} is there`);
  const certificate = parsed(place.certFile, 'certificate', () => new X509Certificate(cert));
  const privateKey = parsed(place.keyFile, 'private key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new LocalAuthorityError(place.keyFile, `is not the key of ${place.certFile}`);
  }
  return { key, cert };
}

function parsed<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new LocalAuthorityError(file, `does not hold a ${what} in PEM`, { cause });
  }
}

async function readIfPresent(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined;
    throw new LocalAuthorityError(file, 'cannot be read', { cause });
  }
}

async function writeAside(place: PairPlace, pair: Pair): Promise<string> {
  await makeDirectory(dirname(place.directory));
  const fresh = await mkdtemp(`${place.directory}.new-`);
  await writeSynced(join(fresh, 'key.pem'), pair.key, { mode: place.keyMode });
  await writeSynced(join(fresh, 'cert.pem'), pair.cert, { mode: 0o644 });
  await syncDirectory(fresh);
  return fresh;
}

function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes(errorCode(error) ?? '');
}
