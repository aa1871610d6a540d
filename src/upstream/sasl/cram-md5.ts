/**
 * CRAM-MD5 (RFC 2195): the password as the key of a digest over the server's challenge.
 *
 * Does not: prove the server, as SCRAM does; TLS has.
 */
import { createHmac } from 'node:crypto';

import { base64, fromBase64, SaslError, type Login, type Mechanism } from './mechanism.ts';

export function cramMd5({ user, password }: Login): Mechanism {
  const proofs: string[] = [];
  return {
    name: 'CRAM-MD5',
    initialResponse: undefined,
    proofs,
    respond(challenge) {
      if (proofs.length > 0) throw new SaslError('unexpected-challenge');
      const octets = fromBase64(challenge);
      if (octets.length === 0) throw new SaslError('malformed-challenge');
      const digest = createHmac('md5', password.reveal()).update(octets).digest('hex');
      proofs.push(digest);
      return base64(`${user} ${digest}`);
    },
  };
}
