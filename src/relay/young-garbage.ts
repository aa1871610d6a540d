/**
 * Has what a long message left behind collected before it adds up.
 *
 * What a socket reads lies outside the heap, 64 KiB for an object of a few words, and V8 looks after it only when 64 MB have
 * come together. A collection of the youngest objects costs about a millisecond and frees it.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const EVERY_OCTETS = 8_388_608;

setFlagsFromString('--expose-gc');
const found: unknown = runInNewContext('gc');
const collect =
  typeof found === 'function'
    ? (): void => void Reflect.apply(found, undefined, [{ type: 'minor' }])
    : undefined;

let passed = 0;

/** To be told of all content that passes. */
export function contentPassed(octets: number): void {
  passed += octets;
  if (passed < EVERY_OCTETS) return;
  passed = 0;
  collect?.();
}
