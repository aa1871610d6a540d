/**
 * What a client sent outside TLS, taken apart: command lines, and TLS records where it began a handshake.
 *
 * Guarantees: every octet is in a line or in a record, or `readClearText` throws; no octet is passed over.
 */
export interface ClearText {
  /** Without CRLF. */
  readonly lines: readonly string[];
  /** Content types of the TLS records (RFC 8446 §5.1): 21 alert, 22 handshake, 23 application data. */
  readonly recordTypes: readonly number[];
}

export function readClearText(octets: Buffer): ClearText {
  const lines: string[] = [];
  const recordTypes: number[] = [];
  let from = 0;
  while (from < octets.length) {
    const record = octets[from + 1] === 0x03 && octets.length >= from + 5;
    const end = record ? from + 5 + octets.readUInt16BE(from + 3) : octets.indexOf('\r\n', from) + 2;
    if (end < from + 2 || end > octets.length)
      throw new Error(`neither a whole line nor a whole record: ${octets.subarray(from).toString('latin1')}`);
    if (record) recordTypes.push(octets.readUInt8(from));
    else lines.push(octets.subarray(from, end - 2).toString('latin1'));
    from = end;
  }
  return { lines, recordTypes };
}
