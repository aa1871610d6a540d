/**
 * What is fuzzed: inputs that can be written down, and an invariant that each must keep.
 */
import fc from 'fast-check';

/** Input is plain JSON, so that a finding can be kept as a vector; octets are strings of latin1. */
export interface Target<Input> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Input>;
  /** Throws where the invariant is broken. */
  readonly check: (input: Input) => void | Promise<void>;
}

/** A target whose inputs nobody else needs to know. */
export interface FuzzTarget {
  readonly name: string;
  /** Plays random inputs for so long. @returns how many */
  fuzz(milliseconds: number, seed: number): Promise<number>;
  /** Plays one input again. */
  replay(input: unknown): Promise<void>;
}

/** Far beyond every time limit that is set in a check. */
const SETTLED_MS = 30_000;

async function settled(checked: Promise<void>, input: unknown): Promise<void> {
  const waiting = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => waiting.reject(new Error(`never ends: ${JSON.stringify(input)}`)),
    SETTLED_MS,
  );
  await Promise.race([checked, waiting.promise]).finally(() => clearTimeout(timer));
}

/** @param accepts whether a vector's input is one of this target */
export function fuzzTarget<Input>(
  { name, inputs, check }: Target<Input>,
  accepts: (input: unknown) => input is Input,
): FuzzTarget {
  return {
    name,
    fuzz: async (milliseconds, seed) => {
      let played = 0;
      let last: { readonly input: Input; readonly checked: Promise<void> } | undefined;
      await fc.assert(
        fc.asyncProperty(inputs, async (input) => {
          played += 1;
          last = { input, checked: (async () => check(input))() };
          await last.checked;
        }),
        {
          seed,
          numRuns: Number.MAX_SAFE_INTEGER,
          interruptAfterTimeLimit: milliseconds,
          markInterruptAsFailure: false,
        },
      );
      if (last !== undefined) await settled(last.checked, last.input); // the time limit leaves it alone
      return played;
    },
    replay: async (input) => {
      if (!accepts(input)) throw new TypeError(`not an input of ${name}`);
      await check(input);
    },
  };
}

export function isText(input: unknown): input is string {
  return typeof input === 'string';
}
