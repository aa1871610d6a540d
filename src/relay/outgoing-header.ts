/**
 * A message's header as it goes up: the trace field, and what was missing, in front; the From edited where asked.
 */
import type { AddressPolicy } from './address-policy.ts';
import type { HeaderBlock } from './header-block.ts';
import type { Signature } from './signed-message.ts';
import { dateField, messageIdField, receivedField, type Arrival, type TraceRule } from './trace-header.ts';

/** What all messages have in common. */
export interface HeaderRules {
  readonly hostname: string;
  readonly trace: TraceRule;
  readonly addresses: AddressPolicy;
}

export interface OutgoingHeader {
  readonly pieces: readonly Buffer[];
  /** Set where a signature kept the From from being changed. */
  readonly signature: Signature | undefined;
}

/** @param id of the transaction */
export function outgoingHeader(
  header: HeaderBlock,
  { hostname, trace, addresses }: HeaderRules,
  arrival: Arrival,
  id: string,
): OutgoingHeader {
  const now = new Date();
  const { fieldsInFront, octets, signature } = addresses.header(header.octets);
  const date = header.has('date') ? '' : dateField(now);
  const messageId = header.has('message-id') ? '' : messageIdField(hostname, id, now);
  // Without the empty line the first line of such a message would stand in the header.
  const separator = header.isMissing ? '\r\n' : '';
  const front =
    receivedField(arrival, trace, hostname, id, now) + date + messageId + fieldsInFront + separator;
  // Behind a field the envelope line of an mbox file would end the header; where it comes first, servers know it.
  const at = header.envelopeLineOctets;
  const pieces = [octets.subarray(0, at), Buffer.from(front), octets.subarray(at)];
  return { pieces: pieces.filter(({ length }) => length > 0), signature };
}
