/**
 * The certificates that a server sent, its own first. How many they may be is OpenSSL's business (100 KiB in all).
 */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/**
 * To be called once for a session: `getPeerX509Certificate()` takes the certificate out of it, and called again it gives
 * the next one of the chain, or none (Node 24.21, nodejs/node issue 65579). The rest is linked by `issuerCertificate`.
 */
export function sentChain(tls: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = tls.getPeerX509Certificate(); next !== undefined; next = next.issuerCertificate)
    chain.push(next);
  return chain;
}
