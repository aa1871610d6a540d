/**
 * The settings of a relay, or everything that is wrong with its environment.
 *
 * Guarantees: all problems are found in one go; what is shown has no secret in it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';

import type { Address, ListenerIdentity } from '../listener/listener.ts';
import type { ClientLimitOptions } from '../listener/client-limits.ts';
import type { PaceOptions } from '../listener/session-pace.ts';
import type { OtlpDestination } from '../telemetry/otlp-exporter.ts';
import { identifierText } from '../tls/reference-identifier.ts';
import { isPresentable } from '../tls/server-identity.ts';
import type { TrustOptions } from '../tls/trust.ts';
import type { HopLimits } from '../upstream/habits.ts';
import type { MechanismName } from '../upstream/sasl/mechanism.ts';
import type { Place } from '../upstream/target.ts';
import { adminSocketOf } from './admin-socket.ts';
import { adminFaults, isOnLoopback } from './admin-variables.ts';
import { clientAuthFaults } from './client-auth-variables.ts';
import { readEnvironment, type Problem } from './environment.ts';
import { clientLimitsOf, paceOf } from './limit-variables.ts';
import {
  idleUpstreams,
  namedDestinationsOf,
  namedEntriesOf,
  readNamedUpstreams,
  routingFaults,
  type NamedDestinations,
  type NamedValues,
} from './named-destinations.ts';
import { namedVariablesIn } from './named-upstream-variables.ts';
import { oauthFaults } from './oauth-account.ts';
import { otlpDestinationIn } from './otlp-environment.ts';
import type { WrittenRule } from './route-rules.ts';
import { senderFaults } from './sender-variables.ts';
import { readSpool, showSpool, SPOOL_VARIABLES, spoolFaults, type SpoolValues } from './spool-variables.ts';
import { readTable, TABLE, VARIABLES, type Values } from './table.ts';
import {
  anonymousTrustOf,
  clientIdentityFaults,
  destinationsOf,
  loginFaults,
  trustFaults,
  trustOptionsOf,
  type Destination,
} from './targets.ts';
import type { UpstreamEntry } from './upstream-list.ts';
import { faultOf } from './variable-fault.ts';
import type { Container } from './variable.ts';

type Digested =
  | 'poolMin'
  | 'poolMax'
  | 'poolIdleMs'
  | 'poolMaxAgeMs'
  | 'poolMaxMessages'
  | 'poolMessagesPerMinute'
  | 'upstreams'
  | 'routes'
  | 'clientNetworks'
  | 'proxyNetworks'
  | 'clientAuthClearNetworks'
  | 'oldTlsNetworks'
  | 'listenTls'
  | 'listenCert'
  | 'listenKey';

export interface Settings extends Omit<Values, Digested> {
  readonly hopLimits: HopLimits;
  /** In order of preference, at least one. */
  readonly destinations: readonly Destination[];
  /** For the rules to name. */
  readonly namedUpstreams: readonly NamedDestinations[];
  /** In order; each leads to one of these, or to the destinations. */
  readonly routes: readonly WrittenRule[];
  readonly trust: TrustOptions;
  readonly clientNetworks: readonly string[];
  readonly proxyNetworks: readonly string[];
  readonly clientLimits: ClientLimitOptions;
  readonly clientPace: PaceOptions;
  readonly clientAuthClearNetworks: readonly string[];
  readonly oldTlsNetworks: readonly string[];
  /** SASL mechanisms that may carry a password which comes from a client. */
  readonly passwordMechanisms: readonly MechanismName[] | undefined;
  readonly listenTls: readonly Address[];
  /** The operator's own, for listeners that speak TLS. */
  readonly listenIdentity: ListenerIdentity | undefined;
  /** Where health is told on this machine, if anywhere. */
  readonly adminSocket: string | undefined;
  /** Where traces go, if anywhere. */
  readonly otlp: OtlpDestination | undefined;
  /** By variable, as they count, secrets redacted. */
  readonly shown: Readonly<Record<string, string>>;
  /** What is allowed and probably not meant. */
  readonly warnings: readonly Problem[];
}

export type Loaded = { readonly settings: Settings } | { readonly problems: readonly Problem[] };

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

export function loadSettings(environment = process.env): Loaded {
  const { container, problems } = readEnvironment(environment);
  const unread = new Set(problems.map(({ variable }) => variable.replace(/_FILE$/, '')));
  // The upstream would have come with the provider.
  for (const name of unread)
    if (name === TABLE.provider.name) unread.add(TABLE.upstreams.name);
    else if (name.endsWith('_PROVIDER')) unread.add(name.replace(/_PROVIDER$/, '_URL'));
  const variables = [...VARIABLES, ...namedVariablesIn(container)];
  const found = [...problems, ...variables.flatMap((variable) => faultOf(variable, container, unread))];
  if (found.length > 0) return { problems: found };
  const values = readTable(container);
  const named = readNamedUpstreams(container);
  const contradictions = [...contradictionsOf(values), ...routingFaults(named, values)];
  const otlp = otlpDestinationIn(environment);
  if (otlp !== undefined && 'problems' in otlp) return { problems: [...contradictions, ...otlp.problems] };
  if (contradictions.length > 0) return { problems: contradictions };
  return { settings: { ...assemble(values, named, container), otlp } };
}

function contradictionsOf(values: Values): readonly Problem[] {
  const { listenCert: cert, listenKey: key, clientCert, clientKey } = values;
  return [
    ...loginFaults(values),
    ...oauthFaults(values),
    ...trustFaults(values),
    ...loneFaults(clientCert, 'SEALPOST_TLS_CLIENT_CERT_FILE', clientKey, 'SEALPOST_TLS_CLIENT_KEY_FILE'),
    ...clientIdentityFaults(values),
    ...loneFaults(cert, 'SEALPOST_LISTEN_CERT_FILE', key, 'SEALPOST_LISTEN_KEY_FILE'),
    ...(cert === undefined || key === undefined ? [] : identityFaults(cert, key)),
    ...poolFaults(values),
    ...senderFaults(values),
    ...openListenerFaults(values),
    ...clientAuthFaults(values),
    ...adminFaults(values),
    ...spoolFaults(values),
  ];
}

/** Two variables that need each other. */
function loneFaults(one: unknown, oneName: string, other: unknown, otherName: string): readonly Problem[] {
  if ((one === undefined) === (other === undefined)) return [];
  const [present, missing] = one === undefined ? [otherName, oneName] : [oneName, otherName];
  return [{ variable: missing, text: `is required with ${present}` }];
}

function openListenerFaults({ listen, listenTls = [], clientNetworks }: Values): readonly Problem[] {
  const open = [...listen, ...listenTls].find(({ host }) => !isOnLoopback(host));
  if (open === undefined || clientNetworks !== undefined) return [];
  const text = `is required to listen on ${open.host}, beyond loopback: name the networks of your clients`;
  return [{ variable: 'SEALPOST_CLIENT_NETWORKS', text }];
}

function poolFaults({ poolMin, poolMax, workers }: Values): readonly Problem[] {
  const limit = `should not be above SEALPOST_POOL_MAX (${poolMax})`;
  const problems: Problem[] = [];
  if (poolMin > poolMax) problems.push({ variable: 'SEALPOST_POOL_MIN', text: limit });
  if (workers > poolMax)
    problems.push({ variable: 'SEALPOST_WORKERS', text: `${limit}: each needs a hop of its own` });
  return problems;
}

function identityFaults(cert: string, key: string): readonly Problem[] {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(cert);
  } catch {
    return [{ variable: 'SEALPOST_LISTEN_CERT_FILE', text: 'should name a PEM certificate' }];
  }
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      return [
        { variable: 'SEALPOST_LISTEN_KEY_FILE', text: 'should be the key of SEALPOST_LISTEN_CERT_FILE' },
      ];
  } catch {
    return [
      { variable: 'SEALPOST_LISTEN_KEY_FILE', text: 'should name a PEM private key without a passphrase' },
    ];
  }
  if (isPresentable(cert, key)) return [];
  const text = 'should name a certificate that is strong enough, with a chain that is whole';
  return [{ variable: 'SEALPOST_LISTEN_CERT_FILE', text }];
}

function assemble(
  values: Values,
  named: readonly NamedValues[],
  container: Container,
): Omit<Settings, 'otlp'> {
  const { upstreams, hostname, listenCert: cert, listenKey: key } = values;
  const warnings = [...idleUpstreams(named, values)];
  if (!hostname.includes('.') && !hostname.startsWith('[')) {
    const text = `"${hostname}" has no domain; some upstreams refuse such a name`;
    warnings.push({ variable: 'SEALPOST_HOSTNAME', text });
  }
  return {
    ...values,
    hopLimits: {
      min: values.poolMin,
      max: values.poolMax,
      idleMs: values.poolIdleMs,
      maxAgeMs: values.poolMaxAgeMs,
      maxMessages: values.poolMaxMessages,
      messagesPerMinute: values.poolMessagesPerMinute ?? Infinity,
    },
    destinations: destinationsOf(values),
    namedUpstreams: namedDestinationsOf(named, values),
    routes: values.routes ?? [],
    trust: trustOptionsOf(values),
    ...networksOf(values),
    clientLimits: clientLimitsOf(values),
    clientPace: paceOf(values),
    passwordMechanisms: values.upstreamAuth ?? values.provider?.provider.passwordMechanisms,
    listenTls: values.listenTls ?? [],
    adminSocket: adminSocketOf(values),
    listenIdentity: cert === undefined || key === undefined ? undefined : { cert, key },
    shown: show(
      container,
      new Map([
        ...[[TABLE.upstreams.name, upstreams] as const, ...namedEntriesOf(named)].map(shownUpstreams),
        [TABLE.spool.name, showSpool(values.spool)],
      ]),
    ),
    warnings,
  };
}

function shownUpstreams([name, entries]: readonly [string, readonly UpstreamEntry[]]): readonly [
  string,
  string,
] {
  return [name, entries.map(showUpstream).join(', ')];
}

/**
 * The variables that are set, and the defaults of the others.
 *
 * @param redacted by name: those that have a secret in a part of them
 */
function show(container: Container, redacted: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const shown: Record<string, string> = {};
  for (const { name, isSecret, isLong, fallbackText } of [...VARIABLES, ...namedVariablesIn(container)]) {
    const text = container[name] ?? fallbackText();
    const known = redacted.get(name);
    if (known !== undefined) shown[name] = known;
    else if (text !== undefined && isLong) shown[name] = onOneLine(text);
    else if (text !== undefined) shown[name] = isSecret || isUserSecret(name, container) ? '[secret]' : text;
  }
  return shown;
}

function onOneLine(text: string): string {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' | ');
}

/** Some providers take one token as the user and as the password. */
function isUserSecret(name: string, container: Container): boolean {
  return name.endsWith('_USER') && container[name] === container[name.replace(/USER$/, 'PASSWORD')];
}

function showUpstream({ place, login, pins, serverName }: UpstreamEntry): string {
  const details = [
    ...(login === undefined ? [] : ['with credentials']),
    ...(pins === undefined ? [] : [`pin ${pins.join(' ')}`]),
    ...(serverName === undefined ? [] : [`server name ${identifierText(serverName)}`]),
  ];
  return showPlace(place) + (details.length === 0 ? '' : ` (${details.join(', ')})`);
}

function showPlace(place: Place): string {
  if (place.kind === 'srv') return `srv:${place.domain.name}`;
  const host = identifierText(place.reference);
  const shownHost = isIPv6(host) ? `[${host}]` : host;
  const ways = place.endpoints.map(
    ({ tls, port }) => `${tls === 'implicit' ? 'smtps' : 'smtp'}://${shownHost}:${port}`,
  );
  return ways.join(' or ');
}

/** The state directory alone, for commands that need no upstream. */
export function loadStateDirectory(environment = process.env): string {
  return TABLE.stateDirectory.read(readEnvironment(environment).container);
}

/** Networks that nobody named are loopback for clients, and none for what needs to be named. */
function networksOf({
  clientNetworks,
  proxyNetworks,
  clientAuthClearNetworks,
  oldTlsNetworks,
}: Values): Pick<
  Settings,
  'clientNetworks' | 'proxyNetworks' | 'clientAuthClearNetworks' | 'oldTlsNetworks'
> {
  return {
    clientNetworks: clientNetworks ?? LOOPBACK,
    proxyNetworks: proxyNetworks ?? [],
    clientAuthClearNetworks: clientAuthClearNetworks ?? [],
    oldTlsNetworks: oldTlsNetworks ?? [],
  };
}

/** What a spool is made of. */
export type SpoolSettings = SpoolValues & Pick<Settings, 'trust'>;

/** For commands that need no upstream. */
export function loadSpool(
  environment = process.env,
): SpoolSettings | { readonly problems: readonly Problem[] } {
  const { container, problems } = readEnvironment(environment);
  const { caAnchors, isCaOnly, minTlsVersion, ciphers, groups } = TABLE;
  const variables = [...Object.values(SPOOL_VARIABLES), caAnchors, isCaOnly, minTlsVersion, ciphers, groups];
  const found = [...problems, ...variables.flatMap((one) => faultOf(one, container, new Set()))];
  if (found.length > 0) return { problems: found };
  const trust = anonymousTrustOf({
    caAnchors: caAnchors.read(container),
    isCaOnly: isCaOnly.read(container),
    minTlsVersion: minTlsVersion.read(container),
    ciphers: ciphers.read(container),
    groups: groups.read(container),
  });
  return { ...readSpool(container), trust };
}
