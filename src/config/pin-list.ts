/**
 * Reads pins: base64 SHA-256 of a SubjectPublicKeyInfo, several for rotation.
 */
import type { Pins } from '../tls/peer-identity.ts';

const PIN = /^[A-Za-z0-9+/]{43}=$/;

/** @throws {Error} that says what a pin should be */
export function parsePins(text: string): Pins {
  const [first, ...others] = text.split(/[\s,]+/).filter((pin) => pin !== '');
  if (first === undefined || ![first, ...others].every(isPin)) {
    throw new Error(
      'should be base64 SHA-256 of a public key (44 characters ending in =), several separated by blanks',
    );
  }
  return [first, ...others];
}

/** Another last character can stand for the same octets, and would never be equal to the right one. */
function isPin(text: string): boolean {
  return PIN.test(text) && Buffer.from(text, 'base64').toString('base64') === text;
}
