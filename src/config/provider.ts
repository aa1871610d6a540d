/**
 * Reads SEALPOST_PROVIDER: a provider by its name, and what it sets.
 *
 * Guarantees: what a provider sets is a default of other variables, which the operator's own word beats; nothing of it
 * is about trust.
 */
import type { OAuthEndpoints } from '../oauth/endpoints.ts';
import type { HopCaps } from '../upstream/habits.ts';
import { PROVIDERS, type Provider } from './providers.ts';

/** A provider, and where its region, tenant or the like has been filled in. */
export interface Preset {
  readonly name: string;
  readonly provider: Provider;
  /** Of other variables, by their names. */
  readonly defaults: Readonly<Record<string, string>>;
  readonly caps: HopCaps;
  readonly oauth:
    { readonly delegated: OAuthEndpoints; readonly application: Partial<OAuthEndpoints> } | undefined;
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
  const caps = capsOf(provider);
  const defaults = defaultsOf(provider.user, upstream, caps);
  return { name, provider, defaults, caps, oauth: oauthOf(provider, variant) };
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

function capsOf({
  connections: max,
  messagesPerSession: maxMessages,
  sessionSeconds,
  messagesPerMinute,
}: Provider): HopCaps {
  return {
    ...(messagesPerMinute === undefined ? {} : { messagesPerMinute }),
    ...(max === undefined ? {} : { max }),
    ...(maxMessages === undefined ? {} : { maxMessages }),
    ...(sessionSeconds === undefined ? {} : { maxAgeMs: sessionSeconds * SESSION_SHARE * 1_000 }),
  };
}

function defaultsOf(
  user: string | undefined,
  upstream: string,
  caps: HopCaps,
): Readonly<Record<string, string>> {
  const { max, maxMessages, maxAgeMs, messagesPerMinute } = caps;
  return {
    SEALPOST_UPSTREAM: upstream,
    ...(user === undefined ? {} : { SEALPOST_UPSTREAM_USER: user }),
    ...(max === undefined ? {} : { SEALPOST_POOL_MAX: String(max) }),
    ...(maxMessages === undefined ? {} : { SEALPOST_POOL_MAX_MESSAGES: String(maxMessages) }),
    ...(messagesPerMinute === undefined
      ? {}
      : { SEALPOST_POOL_MESSAGES_PER_MINUTE: String(messagesPerMinute) }),
    ...(maxAgeMs === undefined ? {} : { SEALPOST_POOL_MAX_AGE: String(maxAgeMs / 1_000) }),
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
  // Somebody who logs in may be of any tenant; an application speaks for one.
  const isTenantMissing = variant === '' && oauth.tenant !== undefined;
  const application = isTenantMissing ? { scope: oauth.application.scope } : filled(oauth.application);
  return { delegated: filled(oauth.delegated), application };
}
