/**
 * What a handshake agreed on, for logs and for people.
 */
import type { TLSSocket } from 'node:tls';

import { groupNamed } from './strength.ts';

export interface Negotiated {
  /** `TLSv1.3` or `TLSv1.2`. */
  readonly protocol: string;
  /** IANA's name. */
  readonly cipher: string;
  /** The key exchange group, such as `X25519MLKEM768`. */
  readonly group: string;
}

export function negotiated(tls: TLSSocket): Negotiated {
  return {
    protocol: tls.getProtocol() ?? 'unknown',
    cipher: tls.getCipher().standardName,
    group: groupName(tls),
  };
}

function groupName(tls: TLSSocket): string {
  const info = tls.getEphemeralKeyInfo();
  if (info === null || !('name' in info) || typeof info.name !== 'string') return 'unknown';
  return groupNamed(info.name) ?? info.name;
}
