/**
 * Tells what is not SMTP from the first octets of a connection.
 *
 * A page in a browser can make it post to a port of localhost, and the lines of its body would be commands; a proxy's
 * header from somebody who is no proxy would be a lie about the client's address.
 */
const TLS_HANDSHAKE = 0x16; // RFC 8446 §5.1, ContentType
const HTTP_REQUEST = /^(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) /i;
const PROXY_V1 = /^PROXY /;
const PROXY_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

export type ForeignProtocol = 'http-request' | 'tls-client-hello' | 'proxy-header';

/** As many octets as are needed to tell. */
const TELLING_OCTETS = 16;

export class FirstOctets {
  #octets: Buffer = Buffer.alloc(0);

  /** Takes the next octets of a connection, however they are cut; gives what they turn out to be, if it is not SMTP. */
  judge(octets: Buffer): ForeignProtocol | undefined {
    if (this.#octets.length >= TELLING_OCTETS) return undefined;
    this.#octets = Buffer.concat([this.#octets, octets.subarray(0, TELLING_OCTETS)]);
    return foreignProtocol(this.#octets);
  }
}

function foreignProtocol(octets: Buffer): ForeignProtocol | undefined {
  if (octets[0] === TLS_HANDSHAKE) return 'tls-client-hello';
  const start = octets.toString('latin1');
  if (HTTP_REQUEST.test(start)) return 'http-request';
  const isProxyHeader = PROXY_V1.test(start) || octets.subarray(0, PROXY_V2.length).equals(PROXY_V2);
  return isProxyHeader ? 'proxy-header' : undefined;
}
