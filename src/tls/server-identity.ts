/**
 * A certificate of ours for clients: whether a TLS server can present it.
 */
import { createSecureContext } from 'node:tls';

/** @param cert PEM, with its chain: one that is cut short within the chain cannot be presented either */
export function isPresentable(cert: string, key: string): boolean {
  try {
    createSecureContext({ cert, key });
    return true;
  } catch {
    return false;
  }
}
