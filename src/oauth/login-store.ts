/**
 * The refresh token of a login, on disk: what `sealpost login` leaves for the relay, and what a provider gives in its
 * place at a renewal.
 *
 * Guarantees: the file is 0600 in a directory that is 0700, and is replaced as one (state/atomic-file.ts): a crash leaves
 * the old login or the new one. Of several processes one renews at a time, so that a refresh token that counts only
 * once is not used twice.
 */
import { createHash, randomUUID } from 'node:crypto';
import { access, chmod, chown, constants, mkdir, readFile, rename, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { errorCode } from '../protocol/error-code.ts';
import { Secret } from '../protocol/secret.ts';
import { writeFileAtomically, type Owner } from '../state/atomic-file.ts';
import { makeDirectory } from '../state/make-directory.ts';
import type { OAuthAccount } from './account.ts';
import { TokenError } from './token-error.ts';

export interface StoredLogin {
  readonly refreshToken: Secret;
  /** Which refresh token of the operator's it came from, if from one: its digest. */
  readonly seed: string | undefined;
}

/** A lock older than this was left behind: no renewal takes so long. */
const STALE_MS = 90_000;
const LOCK_POLL_MS = 50;

export class LoginStore {
  readonly file: string;
  readonly #lock: string;
  /** The operator gave a refresh token: where nothing can be kept, that one still counts. */
  readonly #isDispensable: boolean;

  /** One file for each account: another client or user is another login. */
  constructor({ stateDirectory, endpoints, clientId, user, grant }: OAuthAccount) {
    this.#isDispensable = grant.kind === 'refresh-token' && grant.seed !== undefined;
    const id = sha256(JSON.stringify([endpoints.tokenUrl, clientId, user])).slice(0, 16);
    this.file = join(stateDirectory, 'oauth', `${id}.json`);
    this.#lock = join(stateDirectory, 'oauth', `${id}.lock`);
  }

  /**
   * @returns undefined when nobody has logged in
   * @throws {TokenError} token-state-unusable
   */
  async read(): Promise<StoredLogin | undefined> {
    try {
      await this.#closeToOthers();
      return parsed(await readFile(this.file, 'utf8'));
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || (code !== undefined && this.#isDispensable)) return undefined;
      throw this.#unusable(error);
    }
  }

  /** A file that came by another way, such as a copy from another machine, may have been opened to others by it. */
  async #closeToOthers(): Promise<void> {
    const { mode } = await stat(this.file);
    if ((mode & 0o077) !== 0) await chmod(this.file, 0o600).catch(() => undefined); // it may be somebody else's
  }

  /** @throws {TokenError} token-state-unusable, where nothing could be written now */
  async mustBeWritable(): Promise<void> {
    try {
      await makeOwnDirectory(dirname(this.file));
      await access(dirname(this.file), constants.W_OK);
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  /** @throws {TokenError} token-state-unusable */
  async write(login: StoredLogin): Promise<void> {
    const text = JSON.stringify({ refreshToken: login.refreshToken.reveal(), seed: login.seed });
    const directory = dirname(this.file);
    try {
      await makeOwnDirectory(directory);
      const owner = await ownerOf(dirname(directory));
      await writeFileAtomically(this.file, `${text}\n`, { mode: 0o600, owner });
    } catch (error) {
      throw this.#unusable(error);
    }
  }

  /**
   * Runs while no other process does the same.
   *
   * @throws {TokenError} token-state-unusable, or what `action` throws
   */
  async exclusively<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await action();
    } finally {
      await rmdir(this.#lock).catch(() => undefined); // somebody thought it stale
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    try {
      await makeOwnDirectory(dirname(this.#lock));
      // mkdir(2) succeeds for one process only.
      while (!(await isMade(this.#lock))) {
        await this.#dropStale();
        await delay(LOCK_POLL_MS, undefined, { signal });
      }
    } catch (error) {
      if (signal.aborted)
        throw new TokenError('token-state-unusable', `${this.#lock}: another process has it`);
      if (!this.#isDispensable) throw this.#unusable(error);
    }
  }

  /** Of two that see the same stale lock one renames it; the other may get a new one, and puts it back. */
  async #dropStale(): Promise<void> {
    if (!(await isStale(this.#lock))) return;
    const aside = `${this.#lock}.${randomUUID()}`;
    try {
      await rename(this.#lock, aside);
      if (await isStale(aside)) await rmdir(aside);
      else await rename(aside, this.#lock);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
  }

  #unusable(error: unknown): TokenError {
    if (error instanceof TokenError) return error;
    return new TokenError('token-state-unusable', `${this.file}: ${errorCode(error) ?? 'not a login'}`);
  }
}

/** What the operator gave, in a form that tells nothing about it. */
export function seedOf(refreshToken: Secret): string {
  return sha256(refreshToken.reveal());
}

/** @throws {Error} whose message the caller does not repeat */
function parsed(text: string): StoredLogin {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || !('refreshToken' in value))
    throw new TypeError('no refresh token');
  const { refreshToken } = value;
  if (typeof refreshToken !== 'string' || refreshToken === '') throw new TypeError('no refresh token');
  const seed = 'seed' in value && typeof value.seed === 'string' ? value.seed : undefined;
  return { refreshToken: new Secret(refreshToken), seed };
}

async function makeOwnDirectory(directory: string): Promise<void> {
  const owner = await ownerOf(dirname(directory));
  const isNew = await makeDirectory(directory);
  if (isNew && owner !== undefined) await chown(directory, owner.uid, owner.gid);
}

/** Where root logs in for a relay that runs as somebody else, the login belongs to that one. */
async function ownerOf(directory: string): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const { uid, gid } = await stat(directory);
    return uid === 0 ? undefined : { uid, gid };
  } catch {
    return undefined; // not there yet: it will be root's
  }
}

async function isMade(directory: string): Promise<boolean> {
  try {
    await mkdir(directory, { mode: 0o700 });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function isStale(directory: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(directory);
    return Math.abs(Date.now() - mtimeMs) > STALE_MS; // one from the future is from before the clock was set right
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
