/**
 * SCRAM-SHA-256, SCRAM-SHA-1 and their -PLUS forms, each exchange with a nonce of its own.
 */
import { randomBytes } from 'node:crypto';

import type { Login, Mechanism, MechanismName } from './mechanism.ts';
import { ScramExchange, type BindingClaim } from './scram-exchange.ts';

export type { BindingClaim } from './scram-exchange.ts';

/** 192 random bits: never repeated (RFC 5802 §5.1), and base64 has no comma. */
const NONCE_OCTETS = 24;

export type ScramName = MechanismName & `SCRAM-${string}`;

/** @throws {SaslError} user-not-preparable | password-not-preparable */
export function scram(name: ScramName, login: Login, claim: BindingClaim): Mechanism {
  const hash = name.startsWith('SCRAM-SHA-256') ? 'sha256' : 'sha1';
  const nonce = randomBytes(NONCE_OCTETS).toString('base64');
  return new ScramExchange({ name, hash, login, claim, nonce });
}
