/**
 * What clients are offered: what the upstreams that their mail may go to offered last, all of them, and the relay can
 * carry.
 *
 * Keywords that only tell which MAIL and RCPT parameters a server knows are carried as they are; those that change how
 * octets travel (CHUNKING, BINARYMIME, STARTTLS, AUTH) belong to one hop and are not.
 */
import type { Capabilities } from '../protocol/capabilities.ts';

/** Carried by passing parameters and replies on. */
const CARRIED = [
  'SMTPUTF8',
  'DSN',
  'ENHANCEDSTATUSCODES',
  'DELIVERBY',
  'FUTURERELEASE',
  'MT-PRIORITY',
] as const;

/** What an upstream offers; undefined where no hop to it was secured yet. */
export type KnownOffer = Capabilities | undefined;

/**
 * EHLO keywords with their parameters, in order.
 *
 * @param offers of each upstream that the client's mail may go to; of one not known yet what any server offers counts
 * @param maxOctets what the relay itself takes
 */
export function offeredKeywords(
  offers: readonly KnownOffer[],
  maxOctets: number,
  isTls: boolean,
): readonly string[] {
  const sizes = offers.map((offer) => offer?.maxMessageOctets ?? maxOctets);
  const keywords = ['PIPELINING', `SIZE ${Math.min(maxOctets, ...sizes)}`];
  if (offers.every((offer) => offer?.has('8BITMIME') !== false)) keywords.push('8BITMIME');
  // RFC 8689 §2: offered inside TLS only.
  for (const keyword of isTls ? [...CARRIED, 'REQUIRETLS'] : CARRIED) {
    const [line, ...others] = new Set(offers.map((offer) => lineOf(keyword, offer)));
    if (line !== undefined && others.length === 0) keywords.push(line);
  }
  return keywords;
}

/** As the upstream wrote it. @returns undefined where it is not known to offer that */
function lineOf(keyword: string, offer: KnownOffer): string | undefined {
  return offer?.has(keyword) === true ? [keyword, ...offer.parameters(keyword)].join(' ') : undefined;
}
