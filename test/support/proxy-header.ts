/**
 * Headers of the PROXY protocol, version 2, right or wrong.
 */
export interface BinaryHeader {
  /** 2 when not given. */
  readonly version?: number;
  /** 0 LOCAL, 1 PROXY; the latter when not given. */
  readonly command?: number;
  readonly family: number;
  /** Addresses and what follows them. */
  readonly rest: Buffer;
}

export function proxyV2({ version = 2, command = 1, family, rest }: BinaryHeader): Buffer {
  const fixed = Buffer.from('\r\n\r\n\0\r\nQUIT\n\0\0\0\0', 'latin1');
  fixed.writeUInt8((version << 4) | command, 12);
  fixed.writeUInt8(family, 13);
  fixed.writeUInt16BE(rest.length, 14);
  return Buffer.concat([fixed, rest]);
}
