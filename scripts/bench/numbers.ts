/**
 * Reads what the tools in C print: one JSON object of numbers.
 */
export function parseNumbers<Name extends string>(
  text: string,
  names: readonly Name[],
): Readonly<Record<Name, number>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null) throw new TypeError(`not an object: ${text}`);
  const found = new Map<string, unknown>(Object.entries(value));
  const numbers = Object.fromEntries(names.map((name) => [name, found.get(name)]));
  if (!hasNumbers(numbers, names)) throw new TypeError(`a number is missing in ${text}`);
  return numbers;
}

function hasNumbers<Name extends string>(
  value: Readonly<Record<string, unknown>>,
  names: readonly Name[],
): value is Readonly<Record<Name, number>> {
  return names.every((name) => typeof value[name] === 'number');
}

/** @param values at least one */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError('the median of nothing');
  return (lower + upper) / 2;
}
