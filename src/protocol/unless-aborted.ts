/**
 * A wait that a signal ends; what was waited for goes on.
 */

/** @param timedOut what is thrown when the signal aborts first */
export async function unlessAborted<T>(
  promised: Promise<T>,
  signal: AbortSignal,
  timedOut: () => Error,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(timedOut());
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promised, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
