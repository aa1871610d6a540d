/**
 * A set of networks, and whether an address is in it: who may connect, what is loopback, what is our own.
 */
import { BlockList } from 'node:net';

/** Networks as CIDRs or single addresses, e.g. `127.0.0.0/8`, `::1`. */
export class Networks {
  readonly #list = new BlockList();

  /** @throws {Error} when one is not a CIDR or an address */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      if (bits === undefined) this.#list.addAddress(address, familyOf(address));
      else this.#list.addSubnet(address, Number(bits), familyOf(address));
    }
  }

  /** @param address IPv4 ones also in their IPv6 form, as a dual-stack socket reports them (`::ffff:a.b.c.d`) */
  has(address: string): boolean {
    return this.#list.check(address, familyOf(address));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'; // isIPv6() is slow, and it is an address
}
