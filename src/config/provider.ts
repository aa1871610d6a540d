/**
 * Reads SEALPOST_PROVIDER: a provider by its name, and what it sets.
 *
 * Guarantees: what a provider sets is a default of other variables, which the operator's own word beats; nothing of it
 * is about trust.
 */
import type { OAuthEndpoints } from '../oauth/endpoints.ts';
import { PROVIDERS, type Provider } from './providers.ts';

/** A provider, and where its region, tenant or the like has been filled in. */
export interface Preset {
  readonly name: string;
  readonly provider: Provider;
  /** Of other variables, by their names. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly oauth: { readonly delegated: OAuthEndpoints; readonly application: OAuthEndpoints } | undefined;
}

export const PROVIDER_VARIABLE = 'SEALPOST_PROVIDER';

/** As the text of SEALPOST_PROVIDER has them. */
export const PROVIDER_NAMES: readonly string[] = Object.keys(PROVIDERS);

/** @param text `name` or `name:variant` @throws {Error} that says what it should be */
export function parseProvider(text: string): Preset {
  const [name = '', ...rest] = text.trim().toLowerCase().split(':');
  const provider = Object.hasOwn(PROVIDERS, name) ? PROVIDERS[name] : undefined;
  if (provider === undefined) throw new Error(`should be one of ${PROVIDER_NAMES.join(', ')}`);
  const variant = rest.join(':');
  const upstream = upstreamOf(name, provider, variant);
  return { name, provider, defaults: defaultsOf(provider, upstream), oauth: oauthOf(provider, variant) };
}

function upstreamOf(name: string, { upstreams, variant: asked }: Provider, variant: string): string {
  if (variant !== '*' && Object.hasOwn(upstreams, variant)) return upstreams[variant] ?? '';
  const pattern = upstreams['*'];
  if (pattern !== undefined && asked?.form.test(variant) === true) return pattern.replace('{}', variant);
  const named = Object.keys(upstreams).filter((one) => one !== '' && one !== '*');
  const examples = [...named, ...(asked === undefined ? [] : [asked.example])].map((one) => `${name}:${one}`);
  const forms = ['' in upstreams ? [name] : [], examples].flat();
  throw new Error(`should be ${examples.length > 0 ? 'such as ' : ''}${forms.join(', ')}`);
}

/** Half of what the provider allows a session, so that it never has to end one. */
const SESSION_SHARE = 0.5;

function defaultsOf(provider: Provider, upstream: string): Readonly<Record<string, string>> {
  const { user, connections, messagesPerSession, sessionSeconds } = provider;
  return {
    SEALPOST_UPSTREAM: upstream,
    ...(user === undefined ? {} : { SEALPOST_UPSTREAM_USER: user }),
    ...(connections === undefined ? {} : { SEALPOST_POOL_MAX: String(connections) }),
    ...(messagesPerSession === undefined ? {} : { SEALPOST_POOL_MAX_MESSAGES: String(messagesPerSession) }),
    ...(sessionSeconds === undefined
      ? {}
      : { SEALPOST_POOL_MAX_AGE: String(sessionSeconds * SESSION_SHARE) }),
  };
}

function oauthOf({ oauth }: Provider, variant: string): Preset['oauth'] {
  if (oauth === undefined) return undefined;
  const tenant = variant === '' ? (oauth.tenant ?? '') : variant;
  const filled = (endpoints: OAuthEndpoints): OAuthEndpoints => ({
    ...endpoints,
    tokenUrl: endpoints.tokenUrl.replace('{}', tenant),
    deviceUrl: endpoints.deviceUrl?.replace('{}', tenant),
    authorizationUrl: endpoints.authorizationUrl?.replace('{}', tenant),
  });
  return { delegated: filled(oauth.delegated), application: filled(oauth.application) };
}
