/** What the log says of a mistake of ours. */
export function describeError(error: unknown): { name: string; text: string; stack: string } {
  if (!(error instanceof Error)) return { name: typeof error, text: '', stack: '' };
  return { name: error.name, text: error.message, stack: error.stack ?? '' };
}
