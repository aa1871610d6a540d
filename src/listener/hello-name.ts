/**
 * The name that a client gives itself at EHLO or HELO; devices say anything at all.
 */
const LONGEST = 255;

/** @param argument what follows the verb @returns undefined when it is nobody's name */
export function helloName(argument: Buffer): string | undefined {
  const name = argument.toString('utf8').trim();
  // oxlint-disable-next-line no-control-regex -- a name with control characters is nobody's name
  return name === '' || name.length > LONGEST || /[\x00-\x1f\x7f]/.test(name) ? undefined : name;
}
