/**
 * Settings for upstreams that are named on the command line instead of in SEALPOST_UPSTREAM.
 *
 * Guarantees: credentials that are configured go to the upstreams that are configured, and only under the proof that is
 * configured with them. One that is named gets them only if it is one of these, or if none is configured at all.
 */
import { identifierText } from '../tls/reference-identifier.ts';
import type { Pins } from '../tls/peer-identity.ts';
import type { Place } from '../upstream/target.ts';
import { readEnvironment, type Problem } from './environment.ts';
import { upstreamNamesIn } from './named-upstream-variables.ts';
import { loadSettings, type Settings } from './settings.ts';
import { readTable, TABLE, type Values } from './table.ts';
import { destinationsOf, trustFaults, type Destination } from './targets.ts';
import { parseUpstreams, type UpstreamEntry } from './upstream-list.ts';

export interface NamedUpstreams {
  /** With the named upstreams as destinations. */
  readonly settings: Settings;
  /** Those that the configured credentials are not for, where there are any. */
  readonly strangers: ReadonlySet<Destination>;
  /** Those of the configured upstreams with a name that are meant. */
  readonly names: readonly string[];
}

export type LoadedNamed = NamedUpstreams | { readonly problems: readonly Problem[] };

/**
 * @param texts each the NAME of a configured upstream or as in SEALPOST_UPSTREAM, see `parseUpstreams`; where there are
 *   none, all configured upstreams count
 */
export function loadNamedUpstreams(texts: readonly string[], environment = process.env): LoadedNamed {
  const known = upstreamNamesIn(readEnvironment(environment).container);
  if (texts.length === 0) return withNames(loadPlaces([], environment), known);
  const isKnown = (text: string): boolean => known.includes(text.toUpperCase());
  const names = texts.filter(isKnown).map((text) => text.toUpperCase());
  const places = texts.filter((text) => !isKnown(text));
  if (places.length > 0) return withNames(loadPlaces(places, environment), names);
  const loaded = loadSettings(environment);
  if ('problems' in loaded) return loaded;
  return { settings: { ...loaded.settings, destinations: [] }, strangers: new Set(), names };
}

type LoadedPlaces = Omit<NamedUpstreams, 'names'> | { readonly problems: readonly Problem[] };

function withNames(loaded: LoadedPlaces, names: readonly string[]): LoadedNamed {
  return 'problems' in loaded ? loaded : { ...loaded, names };
}

function loadPlaces(texts: readonly string[], environment: NodeJS.ProcessEnv): LoadedPlaces {
  const { name } = TABLE.upstreams;
  const isNamed = texts.length > 0;
  const isConfigured = [name, `${name}_FILE`, TABLE.provider.name].some((one) => isSet(environment[one]));
  const replaces = isNamed && !isConfigured;
  const loaded = loadSettings(replaces ? { ...environment, [name]: texts.join(',') } : environment);
  if ('problems' in loaded) return isNamed || isConfigured ? loaded : withHint(loaded.problems, name);
  const { settings } = loaded;
  if (!isNamed || !isConfigured) return { settings, strangers: new Set() };
  const configured = readTable(readEnvironment(environment).container);
  const entries = texts.flatMap((text) => parseUpstreams(text)).map((entry) => recognised(entry, configured));
  const problems = trustFaults({ ...configured, upstreams: entries.map(({ entry }) => entry) });
  return problems.length > 0 ? { problems } : withoutForeignCredentials(settings, configured, entries);
}

function withHint(problems: readonly Problem[], name: string): LoadedPlaces {
  const hinted = ({ variable, text }: Problem): Problem => ({
    variable,
    text: variable === name ? `${text}, or name one: sealpost check HOST` : text,
  });
  return { problems: problems.map(hinted) };
}

interface NamedEntry {
  readonly entry: UpstreamEntry;
  readonly isConfigured: boolean;
  /** Whether it came with credentials of its own. */
  readonly hasLogin: boolean;
}

/** An entry that is a configured one takes from it what it does not say itself: who the peer must be, and the login. */
function recognised(entry: UpstreamEntry, configured: Values): NamedEntry {
  const hasLogin = entry.login !== undefined;
  const known = configured.upstreams.find((one) => isSamePeer(entry, one, configured));
  if (known === undefined) return { entry, isConfigured: false, hasLogin };
  const { pins, serverName } = known;
  return {
    entry: { place: entry.place, login: entry.login ?? known.login, pins, serverName },
    isConfigured: true,
    hasLogin,
  };
}

function withoutForeignCredentials(
  settings: Settings,
  configured: Values,
  entries: readonly NamedEntry[],
): Omit<NamedUpstreams, 'names'> {
  const strangers = new Set<Destination>();
  const hasCredentials = destinationsOf(configured).some(({ credentials }) => credentials !== undefined);
  const upstreams = entries.map(({ entry }) => entry);
  const destinations = destinationsOf({ ...configured, upstreams }).map((destination, index): Destination => {
    const { isConfigured = false, hasLogin = false } = entries[index] ?? {};
    if (isConfigured) return destination;
    const isOwn = hasLogin && destination.credentials?.kind === 'password';
    const stranger = isOwn ? destination : { ...destination, credentials: undefined };
    if (hasCredentials) strangers.add(stranger);
    return stranger;
  });
  return { settings: { ...settings, destinations }, strangers };
}

/** The same host and port, and no other key or name than the configured one. */
function isSamePeer(entry: UpstreamEntry, one: UpstreamEntry, { pins, serverName }: Values): boolean {
  if (hostOf(one.place) !== hostOf(entry.place) || !sharesPort(one.place, entry.place)) return false;
  if (entry.pins !== undefined && !hasSamePins(entry.pins, one.pins ?? pins)) return false;
  const expected = one.serverName ?? serverName;
  return (
    entry.serverName === undefined ||
    (expected !== undefined && identifierText(entry.serverName) === identifierText(expected))
  );
}

function hasSamePins(pins: Pins, others: Pins | undefined): boolean {
  if (others === undefined) return false;
  return pins.every((pin) => others.includes(pin)) && others.every((pin) => pins.includes(pin));
}

function hostOf(place: Place): string {
  return place.kind === 'srv' ? `srv:${place.domain.name}` : identifierText(place.reference);
}

/** `srv:` has none: the host is all there is to compare. */
function sharesPort(one: Place, other: Place): boolean {
  if (one.kind === 'srv' || other.kind === 'srv') return true;
  return one.endpoints.some(({ port }) => other.endpoints.some((endpoint) => endpoint.port === port));
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}
