/**
 * SaltedPassword of SCRAM (RFC 5802 §3), which takes the server's iterations to make.
 *
 * The last one is kept for each password: hops to one server ask for the same, and one that asks for a new one each time
 * gets no more than one at a time out of us.
 */
import { pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';

import type { Secret } from '../../protocol/secret.ts';

export interface Salting {
  readonly hash: 'sha1' | 'sha256';
  readonly salt: Buffer;
  readonly iterations: number;
}

interface Kept {
  readonly salting: string;
  readonly salted: Promise<Buffer>;
}

const deriveKey = promisify(pbkdf2);
const KEPT = new WeakMap<Secret, Kept>();

/** @param prepared the password as SASLprep has it */
export async function saltedPassword(
  password: Secret,
  prepared: string,
  { hash, salt, iterations }: Salting,
): Promise<Buffer> {
  const salting = [hash, salt.toString('base64'), iterations].join();
  const last = KEPT.get(password);
  if (last?.salting === salting) return last.salted;
  const salted = after(last?.salted).then(async () =>
    deriveKey(prepared, salt, iterations, hash === 'sha1' ? 20 : 32, hash),
  );
  KEPT.set(password, { salting, salted });
  return salted;
}

/** Whatever came of it. */
async function after(before: Promise<Buffer> | undefined): Promise<void> {
  await before?.catch(() => undefined);
}
