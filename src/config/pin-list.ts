/**
 * Reads pins: base64 SHA-256 of a SubjectPublicKeyInfo, several for rotation.
 */
import type { Pins } from '../tls/peer-identity.ts';

const PIN = /^[A-Za-z0-9+/]{43}=$/;

/** @throws {Error} that says what a pin should be */
export function parsePins(text: string): Pins {
  const [first, ...others] = text.split(/[\s,]+/).filter((pin) => pin !== '');
  if (first === undefined || ![first, ...others].every((pin) => PIN.test(pin))) {
    throw new Error(
      'should be base64 SHA-256 of a public key (44 characters ending in =), several separated by blanks',
    );
  }
  return [first, ...others];
}
