/**
 * What goes in front of a message: the trace field (RFC 5321 §4.4), and a Date and Message-ID where they are missing
 * (RFC 6409 §8).
 */
import { mailDate } from '../protocol/mail-date.ts';

/** How the message came to us. */
export interface Arrival {
  /** HELO or EHLO argument as received. */
  readonly helo: string;
  /** IP address of the client. */
  readonly address: string;
  readonly protocol: TransmissionType;
}

/** RFC 3848. */
export type TransmissionType = 'SMTP' | 'ESMTP' | 'ESMTPA' | 'ESMTPS' | 'ESMTPSA';

/** @param isExtended whether the client said EHLO */
export function transmissionType(isExtended: boolean, isTls: boolean, isLoggedIn: boolean): TransmissionType {
  if (!isExtended) return 'SMTP';
  return `ESMTP${isTls ? 'S' : ''}${isLoggedIn ? 'A' : ''}`;
}

/** What the trace field tells about the client: address and name, or only that one handed the message in. */
export type TraceRule = 'client' | 'minimal';

/** RFC 5321 §4.4: from, by, with, id and date, on folded lines. */
export function receivedField(
  arrival: Arrival,
  rule: TraceRule,
  hostname: string,
  id: string,
  now: Date,
): string {
  const by = `by ${hostname} (Sealpost) with ${arrival.protocol} id ${id};\r\n\t${mailDate(now)}\r\n`;
  return `Received: ${rule === 'client' ? `${fromClause(arrival)}\r\n\t` : ''}${by}`;
}

function fromClause(arrival: Arrival): string {
  const literal = arrival.address.includes(':') ? `[IPv6:${arrival.address}]` : `[${arrival.address}]`;
  return `from ${heloWord(arrival.helo) ?? literal} (${literal})`;
}

export function dateField(now: Date): string {
  return `Date: ${mailDate(now)}\r\n`;
}

export function messageIdField(hostname: string, id: string, now: Date): string {
  return `Message-ID: <${id}.${now.getTime().toString(36)}@${hostname}>\r\n`;
}

/** Devices say anything at all; what is not a domain or an address literal would break the field for its readers. */
function heloWord(helo: string): string | undefined {
  const word = helo.replaceAll(/[^A-Za-z0-9._:[\]-]/g, '-').slice(0, 255);
  return word === '' ? undefined : word;
}
