/**
 * A wait that a signal ends with reason `timeout`; what was waited for goes on.
 */
import { DnsError } from './dns-error.ts';

export async function unlessAborted<T>(promised: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(new DnsError('timeout'));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([promised, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
