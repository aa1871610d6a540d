/**
 * What clients are offered: what the upstream offered last and the relay can carry.
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

/**
 * EHLO keywords with their parameters, in order.
 *
 * @param last of the hop secured last; undefined before the first: then what any server offers
 * @param maxOctets what the relay itself takes
 */
export function offeredKeywords(
  last: Capabilities | undefined,
  maxOctets: number,
  isTls: boolean,
): readonly string[] {
  const upstreamMax = last?.maxMessageOctets ?? maxOctets;
  const keywords = ['PIPELINING', `SIZE ${Math.min(maxOctets, upstreamMax)}`];
  if (last === undefined) return [...keywords, '8BITMIME'];
  for (const keyword of ['8BITMIME', ...CARRIED]) {
    if (last.has(keyword)) keywords.push([keyword, ...last.parameters(keyword)].join(' '));
  }
  // RFC 8689 §2: offered inside TLS only.
  if (isTls && last.has('REQUIRETLS')) keywords.push('REQUIRETLS');
  return keywords;
}
