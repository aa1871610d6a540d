/**
 * Every variable there is, with its form, default and meaning: the parser, docs/CONFIGURATION.md and `sealpost config`
 * are made from this table.
 */
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';

import { computed, optional, required, withDefault, type Container, type Variable } from './variable.ts';

const stateHome = (): string => {
  if (process.getuid?.() === 0) return '/var/lib';
  return process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
};

export const TABLE = {
  upstreams: required(
    'SEALPOST_UPSTREAM',
    {
      form: '`smtps://host[:465]`, `smtp://host[:587]` or `host`, comma-separated',
      meaning:
        'Where mail goes, in order of preference. `smtps://` is implicit TLS, `smtp://` is STARTTLS, required; `host` alone tries 465 first and 587 when that fails or is slow, both required and verified; `host:465` and `host:587` mean what their port says, any other port needs a scheme. `user:password@` is allowed, percent-encoded; so is `?pin=…&server-name=…` for one entry.',
      isSecret: true,
    },
    (variable) => variable.asUpstreams(),
  ),
  upstreamUser: optional(
    'SEALPOST_UPSTREAM_USER',
    { form: 'text', meaning: 'User name for the upstream (SASL PLAIN or LOGIN, inside TLS only).' },
    (variable) => variable.asSaslText(),
  ),
  upstreamPassword: optional(
    'SEALPOST_UPSTREAM_PASSWORD',
    { form: 'text', meaning: 'Password for the upstream.', isSecret: true },
    (variable) => variable.asSecret(),
  ),
  listen: withDefault(
    'SEALPOST_LISTEN',
    '127.0.0.1:2525',
    { form: '`host:port`, comma-separated', meaning: 'Where clients connect; port 0 picks one.' },
    (variable) => variable.asAddresses(),
  ),
  listenTls: optional(
    'SEALPOST_LISTEN_TLS',
    { form: '`host:port`, comma-separated', meaning: 'The same for listeners that speak TLS at once.' },
    (variable) => variable.asAddresses(),
  ),
  listenStarttls: withDefault(
    'SEALPOST_LISTEN_STARTTLS',
    'off',
    {
      form: '`on` or `off`',
      meaning:
        'Lets plain listeners offer STARTTLS; off, because clients that upgrade by themselves and do not trust the local CA would fail.',
    },
    (variable) => variable.asEnum(['on', 'off'] as const) === 'on',
  ),
  listenCert: optional(
    'SEALPOST_LISTEN_CERT_FILE',
    { form: 'path', meaning: 'PEM certificate (and chain) for these two; else the local CA issues one.' },
    (variable) => variable.asTextFile(),
  ),
  listenKey: optional(
    'SEALPOST_LISTEN_KEY_FILE',
    { form: 'path', meaning: 'PEM private key of that certificate.' },
    (variable) => variable.asTextFile(),
  ),
  stateDirectory: computed(
    'SEALPOST_STATE_DIR',
    {
      shown: '`$XDG_STATE_HOME/sealpost`, as root `/var/lib/sealpost`',
      text: () => join(stateHome(), 'sealpost'),
    },
    {
      form: 'path',
      meaning: 'Certificates and what else must outlive a restart; mode 0700, made when first needed.',
    },
    (variable) => variable.asString(),
  ),
  clientNetworks: optional(
    'SEALPOST_CLIENT_NETWORKS',
    {
      form: 'CIDRs, comma-separated',
      meaning:
        'Who may connect (default: loopback); needed to listen beyond loopback. `0.0.0.0/0` and `::/0` are refused.',
    },
    (variable) => variable.asNetworks(),
  ),
  clientAuth: withDefault(
    'SEALPOST_CLIENT_AUTH',
    'none',
    {
      form: '`none` or `any`',
      meaning: '`any` offers AUTH PLAIN and LOGIN and accepts whatever comes, for devices that insist.',
    },
    (variable) => variable.asEnum(['none', 'any'] as const),
  ),
  caAnchors: optional(
    'SEALPOST_TLS_CA_FILE',
    { form: 'path', meaning: "PEM trust anchors, added to the system's." },
    (variable) => variable.asAnchorFile(),
  ),
  pins: optional(
    'SEALPOST_TLS_PIN_SHA256',
    {
      form: 'base64 SHA-256 of a SubjectPublicKeyInfo, several separated by blanks or commas',
      meaning: 'A pin authenticates the upstream by itself, and a mismatch refuses even a valid chain.',
    },
    (variable) => variable.asPins(),
  ),
  minTlsVersion: withDefault(
    'SEALPOST_TLS_MIN_VERSION',
    'TLSv1.2',
    { form: '`TLSv1.2` or `TLSv1.3`', meaning: 'The oldest TLS version spoken with the upstream.' },
    (variable) => variable.asEnum(['TLSv1.2', 'TLSv1.3'] as const),
  ),
  tlsFailureReply: withDefault(
    'SEALPOST_TLS_FAILURE_REPLY',
    'temporary',
    {
      form: '`temporary` or `permanent`',
      meaning: 'What clients hear when a hop cannot be secured: 451 4.7.4 or 4.7.5, or 550 5.7.10.',
    },
    (variable) => variable.asEnum(['temporary', 'permanent'] as const),
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
  maxOctets: withDefault(
    'SEALPOST_MAX_MESSAGE_SIZE',
    '52428800',
    { form: 'octets', meaning: 'The largest message taken; the upstream may allow less.' },
    (variable) => variable.asOctets(),
  ),
  lineEndings: withDefault(
    'SEALPOST_LINE_ENDINGS',
    'normalise',
    {
      form: '`normalise` or `strict`',
      meaning:
        'What happens to a CR or LF that stands alone: made CRLF or a blank, or the message is refused.',
    },
    (variable) => variable.asEnum(['normalise', 'strict'] as const),
  ),
  hostname: computed(
    'SEALPOST_HOSTNAME',
    { shown: "the machine's", text: hostname },
    {
      form: 'host name',
      meaning:
        'The name in greetings, EHLO and trace headers; some upstreams refuse one that is not fully qualified.',
    },
    (variable) => variable.asHostname(),
  ),
  adminListen: optional(
    'SEALPOST_ADMIN_LISTEN',
    {
      form: '`host:port`',
      meaning:
        'Where health is told over HTTP, on loopback only: `/livez`, and `/readyz` (200 when a hop was secured in the last minute or can be now, else 503 and the reason). Off when not set.',
    },
    (variable) => variable.asAddress(),
  ),
  logLevel: withDefault(
    'SEALPOST_LOG_LEVEL',
    'info',
    { form: '`error`, `warn`, `info` or `debug`', meaning: 'What is logged, on standard output.' },
    (variable) => variable.asEnum(['error', 'warn', 'info', 'debug'] as const),
  ),
  logFormat: withDefault(
    'SEALPOST_LOG_FORMAT',
    'json',
    { form: '`json` or `pretty`', meaning: 'One JSON object a line, or text for people.' },
    (variable) => variable.asEnum(['json', 'pretty'] as const),
  ),
} as const;

export type Values = { readonly [K in keyof typeof TABLE]: ReturnType<(typeof TABLE)[K]['read']> };

/** Reads everything. @throws the first problem; see `VARIABLES` to find them all */
export function readTable(container: Container): Values {
  return {
    upstreams: TABLE.upstreams.read(container),
    upstreamUser: TABLE.upstreamUser.read(container),
    upstreamPassword: TABLE.upstreamPassword.read(container),
    listen: TABLE.listen.read(container),
    listenTls: TABLE.listenTls.read(container),
    listenStarttls: TABLE.listenStarttls.read(container),
    listenCert: TABLE.listenCert.read(container),
    listenKey: TABLE.listenKey.read(container),
    stateDirectory: TABLE.stateDirectory.read(container),
    clientNetworks: TABLE.clientNetworks.read(container),
    clientAuth: TABLE.clientAuth.read(container),
    caAnchors: TABLE.caAnchors.read(container),
    pins: TABLE.pins.read(container),
    minTlsVersion: TABLE.minTlsVersion.read(container),
    tlsFailureReply: TABLE.tlsFailureReply.read(container),
    connectMs: TABLE.connectMs.read(container),
    commandMs: TABLE.commandMs.read(container),
    finalMs: TABLE.finalMs.read(container),
    maxOctets: TABLE.maxOctets.read(container),
    lineEndings: TABLE.lineEndings.read(container),
    hostname: TABLE.hostname.read(container),
    adminListen: TABLE.adminListen.read(container),
    logLevel: TABLE.logLevel.read(container),
    logFormat: TABLE.logFormat.read(container),
  };
}

/** All variables in the order of the table. */
export const VARIABLES: readonly Variable<unknown>[] = Object.values(TABLE);
