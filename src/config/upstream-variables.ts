/**
 * Variables about the upstream: where it is, how we log in, how long we wait.
 */
import { MECHANISM_NAMES } from '../upstream/sasl/mechanism.ts';
import { PROVIDER_NAMES, PROVIDER_VARIABLE } from './provider.ts';
import type { Values } from './table.ts';
import { optional, required, withDefault, type Container } from './variable.ts';

export const UPSTREAM_VARIABLES = {
  provider: optional(
    PROVIDER_VARIABLE,
    {
      form: `one of ${PROVIDER_NAMES.map((name) => `\`${name}\``).join(', ')}`,
      meaning:
        'A provider that Sealpost knows, and with it no `SEALPOST_UPSTREAM` is needed. It stands for host and ports, the mechanisms that may carry a password, how many connections and messages a session the provider allows, and what its refusals mean, told next to its own words. A region, tenant or port follows a colon: `ses:eu-west-1`, `mailgun:eu`, `zoho:pro-eu`, `microsoft365:contoso.onmicrosoft.com`, `proton-bridge:1026`. Each variable that is set counts before what the provider sets: `SEALPOST_UPSTREAM` replaces its host and ports and nothing else, for ports such as those of `smtps://email-smtp.eu-west-1.amazonaws.com:2465`.',
    },
    (variable) => variable.asProvider(),
  ),
  upstreams: required(
    'SEALPOST_UPSTREAM',
    {
      form: '`smtps://host[:465]`, `smtp://host[:587]`, `host` or `srv:domain`, comma-separated',
      meaning:
        "Where mail goes, in order of preference. `smtps://` is implicit TLS, `smtp://` is STARTTLS, required; `host` alone tries 465 first and 587 when that fails or is slow, both required and verified; `host:465` and `host:587` mean what their port says, any other port needs a scheme. `srv:domain` asks DNS for the domain's submission servers (RFC 6186, RFC 8314). `user:password@` is allowed, percent-encoded; so is `?pin=…&server-name=…` for one entry.",
      isSecret: true,
    },
    (variable) => variable.asUpstreams(),
  ),
  upstreamUser: optional(
    'SEALPOST_UPSTREAM_USER',
    {
      form: 'text',
      meaning:
        'User name for the upstream, told inside TLS only. Without a password it goes with a client certificate (SASL EXTERNAL).',
    },
    (variable) => variable.asSaslText(),
  ),
  upstreamPassword: optional(
    'SEALPOST_UPSTREAM_PASSWORD',
    { form: 'text', meaning: 'Password for the upstream.', isSecret: true },
    (variable) => variable.asSecret(),
  ),
  upstreamAuth: optional(
    'SEALPOST_UPSTREAM_AUTH',
    {
      form: `mechanisms out of ${MECHANISM_NAMES.filter((name) => name !== 'EXTERNAL').join(', ')}, or EXTERNAL alone`,
      meaning:
        'The SASL mechanisms that may be used; the strongest that the upstream offers is (default: all but `EXTERNAL`, which needs a client certificate).',
    },
    (variable) => variable.asMechanisms(),
  ),
  requireTls: withDefault(
    'SEALPOST_REQUIRETLS',
    'on-request',
    {
      form: '`on-request`, `when-offered` or `require`',
      meaning:
        'Whether the upstream is told to send the message on by verified TLS only (RFC 8689): when a client asks for it on a TLS listener, wherever the upstream offers it, or always; where it is not offered, 550 5.7.30. Few next hops can honour it: see docs/TRUST.md.',
    },
    (variable) => variable.asEnum(['on-request', 'when-offered', 'require'] as const),
  ),
  connectMs: withDefault(
    'SEALPOST_CONNECT_TIMEOUT',
    '30',
    { form: 'seconds', meaning: 'For opening a secured hop, in total: name, connection, handshake, AUTH.' },
    (variable) => variable.asSeconds(),
  ),
  commandMs: withDefault(
    'SEALPOST_COMMAND_TIMEOUT',
    '60',
    { form: 'seconds', meaning: 'For one reply of the upstream.' },
    (variable) => variable.asSeconds(),
  ),
  finalMs: withDefault(
    'SEALPOST_FINAL_TIMEOUT',
    '600',
    {
      form: 'seconds',
      meaning:
        'For the reply to the end of a message. RFC 5321 §4.5.3.2.6 asks for ten minutes: giving up sooner makes duplicates.',
    },
    (variable) => variable.asSeconds(),
  ),
} as const;

/** @throws the first problem */
export function readUpstream(container: Container): Pick<Values, keyof typeof UPSTREAM_VARIABLES> {
  return {
    provider: UPSTREAM_VARIABLES.provider.read(container),
    upstreams: UPSTREAM_VARIABLES.upstreams.read(container),
    upstreamUser: UPSTREAM_VARIABLES.upstreamUser.read(container),
    upstreamPassword: UPSTREAM_VARIABLES.upstreamPassword.read(container),
    upstreamAuth: UPSTREAM_VARIABLES.upstreamAuth.read(container),
    requireTls: UPSTREAM_VARIABLES.requireTls.read(container),
    connectMs: UPSTREAM_VARIABLES.connectMs.read(container),
    commandMs: UPSTREAM_VARIABLES.commandMs.read(container),
    finalMs: UPSTREAM_VARIABLES.finalMs.read(container),
  };
}
