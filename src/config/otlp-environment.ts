/**
 * Where traces go, by the variables that OpenTelemetry defines for every program.
 */
import { Networks } from '../relay/networks.ts';
import type { OtlpDestination } from '../telemetry/otlp-exporter.ts';
import type { Problem } from './environment.ts';

const TRACES = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
const ALL = 'OTEL_EXPORTER_OTLP_ENDPOINT';
/** What is said of traces alone counts before what is said of all signals. */
const PROTOCOLS = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'];
const HEADERS = ['OTEL_EXPORTER_OTLP_TRACES_HEADERS', 'OTEL_EXPORTER_OTLP_HEADERS'];
const LOOPBACK = new Networks(['127.0.0.0/8', '::1/128']);

type Otlp = OtlpDestination | { readonly problems: readonly Problem[] };

/** @returns undefined where nobody asked for traces */
export function otlpDestinationIn(environment = process.env): Otlp | undefined {
  if (isOff(environment)) return undefined;
  const { [TRACES]: own = '', [ALL]: all = '' } = environment;
  if (own !== '') return destinationOf(TRACES, own, environment);
  return all === '' ? undefined : destinationOf(ALL, `${all.replace(/\/$/, '')}/v1/traces`, environment);
}

function destinationOf(variable: string, text: string, environment: NodeJS.ProcessEnv): Otlp {
  const protocol = firstSet(PROTOCOLS, environment);
  if (protocol?.text === 'grpc')
    return { problems: [{ variable: protocol.variable, text: 'should be http/json' }] };
  const url = urlOf(text);
  if (url === undefined) {
    const advice = 'should be an https URL, or an http URL of loopback such as http://127.0.0.1:4318';
    return { problems: [{ variable, text: advice }] };
  }
  const { OTEL_SERVICE_NAME: name = '' } = environment;
  const headers = firstSet(HEADERS, environment)?.text ?? '';
  return { url, serviceName: name === '' ? 'sealpost' : name, headers: headersIn(headers) };
}

function firstSet(
  variables: readonly string[],
  environment: NodeJS.ProcessEnv,
): { readonly variable: string; readonly text: string } | undefined {
  const set = variables.map((variable) => ({ variable, text: environment[variable] ?? '' }));
  return set.find(({ text }) => text !== '');
}

function isOff({ OTEL_SDK_DISABLED: disabled, OTEL_TRACES_EXPORTER: exporter }: NodeJS.ProcessEnv): boolean {
  return disabled?.toLowerCase() === 'true' || exporter === 'none';
}

/** Clear text stays on this machine. */
function urlOf(text: string): URL | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isLocal = host === 'localhost' || LOOPBACK.has(host);
  const isAllowed = url.protocol === 'https:' || (url.protocol === 'http:' && isLocal);
  return isAllowed && url.username === '' && url.password === '' ? url : undefined;
}

/** `name=value` separated by commas, values percent-encoded (W3C Baggage). */
function headersIn(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').flatMap((pair) => {
    const [, name = '', value = ''] = /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    return name === '' ? [] : [[name.toLowerCase(), decoded(value)] as const];
  });
  return Object.fromEntries(pairs);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
