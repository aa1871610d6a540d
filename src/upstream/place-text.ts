/**
 * An upstream as SEALPOST_UPSTREAM has it, without credentials and options.
 */
import { isIPv6 } from 'node:net';

import { identifierText } from '../tls/reference-identifier.ts';
import type { Place } from './target.ts';

export function placeText(place: Place): string {
  if (place.kind === 'srv') return `srv:${place.domain.name}`;
  const host = identifierText(place.reference);
  const [endpoint, ...others] = place.endpoints;
  if (others.length > 0) return host;
  const { tls, port } = endpoint;
  return `${tls === 'implicit' ? 'smtps' : 'smtp'}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
