/**
 * Settings for upstreams that are named on the command line instead of in SEALPOST_UPSTREAM.
 *
 * Guarantees: credentials that are configured go to the upstreams that are configured. One that is named gets them only
 * if it is one of these, by its very name, or if none is configured at all.
 */
import { identifierText } from '../tls/reference-identifier.ts';
import type { Place } from '../upstream/target.ts';
import { readEnvironment, type Problem } from './environment.ts';
import { loadSettings, type Settings } from './settings.ts';
import { readTable, TABLE, type Values } from './table.ts';
import { destinationsOf, trustFaults, type Destination } from './targets.ts';
import { parseUpstreams, type UpstreamEntry } from './upstream-list.ts';

export interface NamedUpstreams {
  /** With the named upstreams as destinations. */
  readonly settings: Settings;
  /** Those that the configured credentials are not for, where there are any. */
  readonly strangers: ReadonlySet<Destination>;
}

export type LoadedNamed = NamedUpstreams | { readonly problems: readonly Problem[] };

/**
 * @param texts each as in SEALPOST_UPSTREAM, see `parseUpstreams`; at least one
 */
export function loadNamedUpstreams(texts: readonly string[], environment = process.env): LoadedNamed {
  const { name } = TABLE.upstreams;
  const isConfigured = isSet(environment[name]) || isSet(environment[`${name}_FILE`]);
  const loaded = loadSettings(isConfigured ? environment : { ...environment, [name]: texts.join(',') });
  if ('problems' in loaded) return loaded;
  const { settings } = loaded;
  if (!isConfigured) return { settings, strangers: new Set() };
  const configured = readTable(readEnvironment(environment).container);
  const named: Values = { ...configured, upstreams: texts.flatMap((text) => parseUpstreams(text)) };
  const problems = trustFaults(named);
  return problems.length > 0 ? { problems } : withoutForeignCredentials(settings, configured, named);
}

function withoutForeignCredentials(settings: Settings, configured: Values, named: Values): NamedUpstreams {
  const strangers = new Set<Destination>();
  const hasCredentials = destinationsOf(configured).some(({ credentials }) => credentials !== undefined);
  const destinations = destinationsOf(named).map((destination, index): Destination => {
    const entry = named.upstreams[index];
    const known = entry === undefined ? undefined : configuredLike(entry, settings.destinations);
    if (known !== undefined)
      return entry?.login === undefined ? { ...destination, credentials: known.credentials } : destination;
    const isOwn = entry?.login !== undefined && destination.credentials?.kind === 'password';
    const stranger = isOwn ? destination : { ...destination, credentials: undefined };
    if (hasCredentials) strangers.add(stranger);
    return stranger;
  });
  return { settings: { ...settings, destinations }, strangers };
}

/** The configured one of the same host, of the same port where there are several. */
function configuredLike(
  { place }: UpstreamEntry,
  configured: readonly Destination[],
): Destination | undefined {
  const same = configured.filter((one) => hostOf(one.place) === hostOf(place));
  return same.find((one) => sharesPort(one.place, place)) ?? same[0];
}

function hostOf(place: Place): string {
  return place.kind === 'srv' ? `srv:${place.domain.name}` : identifierText(place.reference);
}

function sharesPort(one: Place, other: Place): boolean {
  if (one.kind === 'srv' || other.kind === 'srv') return true;
  return one.endpoints.some(({ port }) => other.endpoints.some((endpoint) => endpoint.port === port));
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}
