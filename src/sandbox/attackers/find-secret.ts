/**
 * Looks for a secret in octets as an eavesdropper would: as it is, and in base64, the way AUTH carries it.
 */

/** Whether the secret can be read out of the octets without a key. */
export function hasSecret(octets: Buffer, secret: string): boolean {
  return [Buffer.from(secret), ...insideBase64(Buffer.from(secret))].some((shape) => octets.includes(shape));
}

/**
 * The characters of base64 that depend on the secret alone, for each of the three offsets at which it can stand: so it
 * is found inside a longer text too, such as the `\0user\0password` of AUTH PLAIN.
 */
function insideBase64(secret: Buffer): Buffer[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), secret]).toString('base64');
    const begin = Math.ceil((offset * 8) / 6);
    const end = Math.floor(((offset + secret.length) * 8) / 6);
    return Buffer.from(encoded.slice(begin, end));
  });
}
