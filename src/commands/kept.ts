/**
 * Things that were made of parts of the settings, kept as long as their part stays the same.
 *
 * Guarantees: what cannot be compared counts as changed.
 */
import { KeyObject } from 'node:crypto';

import { Secret } from '../protocol/secret.ts';

interface Making<Part, Thing> {
  readonly part: Part;
  readonly thing: Thing;
}

export class Kept<Part, Thing> {
  readonly #made: Making<Part, Thing>[] = [];
  #before: readonly Making<Part, Thing>[];

  /** @param before made of other settings, in part of the same */
  constructor(before?: Kept<Part, Thing>) {
    this.#before = before === undefined ? [] : before.#made;
  }

  get things(): readonly Thing[] {
    return this.#made.map(({ thing }) => thing);
  }

  /** What was made of such a part, now or before; else what is made now. */
  of(part: Part, make: () => Thing): Thing {
    const isMeant = (making: Making<Part, Thing>): boolean => isSame(making.part, part);
    const now = this.#made.find(isMeant);
    if (now !== undefined) return now.thing;
    const making = this.#before.find(isMeant) ?? { part, thing: make() };
    this.#made.push(making);
    return making.thing;
  }

  /** To be called when nothing more is asked for. @returns what was made before and is not any more */
  settle(): readonly Thing[] {
    const gone = this.#before.filter((making) => !this.#made.includes(making));
    this.#before = [];
    return gone.map(({ thing }) => thing);
  }
}

/**
 * Whether two parts of settings say the same. node:util's comparison would not do: to it all secrets are alike, because
 * it cannot see what is in them.
 */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (one instanceof Map && other instanceof Map) return isSame([...one], [...other]);
  if (!isPlain(one) || !isPlain(other)) return isSameSecret(one, other);
  const names = Object.keys(one);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    names.length === Object.keys(other).length &&
    names.every(
      (name) => Object.hasOwn(other, name) && isSame(Reflect.get(one, name), Reflect.get(other, name)),
    )
  );
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

function isSameSecret(one: unknown, other: unknown): boolean {
  if (one instanceof Secret && other instanceof Secret) return one.reveal() === other.reveal();
  if (one instanceof KeyObject && other instanceof KeyObject) return one.equals(other);
  return one instanceof Uint8Array && other instanceof Uint8Array && Buffer.compare(one, other) === 0;
}
