/**
 * Who may connect.
 */
import { BlockList, isIPv6 } from 'node:net';

/** Networks as CIDRs, e.g. `127.0.0.0/8`, `::1/128`. */
export class Admission {
  readonly #networks = new BlockList();

  /** @throws {Error} when one is not a CIDR or an address */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#networks.addAddress(address, family);
      else this.#networks.addSubnet(address, Number(bits), family);
    }
  }

  /** @param address as a socket reports it; an IPv4 client of a dual-stack socket comes as `::ffff:a.b.c.d` */
  admits(address: string): boolean {
    const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
    return this.#networks.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
  }
}
