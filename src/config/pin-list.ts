/**
 * Reads pins: base64 SHA-256 of a SubjectPublicKeyInfo, several for rotation.
 */
const PIN = /^[A-Za-z0-9+/]{43}=$/;

/** @throws {Error} that says what a pin should be */
export function parsePins(text: string): readonly string[] {
  const pins = text.split(/[\s,]+/).filter((pin) => pin !== '');
  if (pins.length === 0 || !pins.every((pin) => PIN.test(pin))) {
    throw new Error(
      'should be base64 SHA-256 of a public key (44 characters ending in =), several separated by blanks',
    );
  }
  return pins;
}
