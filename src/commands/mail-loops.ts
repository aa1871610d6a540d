/**
 * Upstreams that are this relay itself: every message would go round in a circle.
 */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';

import type { Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { Networks } from '../relay/networks.ts';
import { inWordsOf } from '../relay/upstream-words.ts';
import { identifierText } from '../tls/reference-identifier.ts';

/** Those that are one of our own listeners. */
export async function loopsOf(settings: Settings): Promise<readonly Problem[]> {
  const { destinations, namedUpstreams, listen, listenTls } = settings;
  const own = [...listen, ...listenTls];
  const problems: Problem[] = [];
  const places = [{ name: undefined, destinations }, ...namedUpstreams].flatMap((one) =>
    one.destinations.map(({ place }) => [one.name, place] as const),
  );
  for (const [name, place] of places) {
    if (place.kind !== 'host') continue;
    const host = identifierText(place.reference);
    const ports = place.endpoints
      .map(({ port }) => port)
      .filter((port) => own.some((address) => address.port === port));
    if (ports.length === 0 || !(await isOwnAddress(host))) continue;
    const text = `should not be this relay's own listener (${host}:${ports[0]})`;
    problems.push({ variable: inWordsOf(name, 'SEALPOST_UPSTREAM'), text });
  }
  return problems;
}

async function isOwnAddress(host: string): Promise<boolean> {
  const own = new Networks(['127.0.0.0/8', '0.0.0.0', '::', '::1', ...interfaceAddresses()]);
  try {
    const found = await lookup(host, { all: true });
    return found.some(({ address }) => own.has(address));
  } catch {
    return false; // a name that is not found is no address of ours; the first message will tell
  }
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(
    (entries) => entries?.map(({ address }) => address) ?? [],
  );
}
