/**
 * Variables about the relay itself: where it listens, for whom, and what it says.
 */
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';

import type { Values } from './table.ts';
import { computed, optional, withDefault, type Container } from './variable.ts';

const stateHome = (): string => {
  if (process.getuid?.() === 0) return '/var/lib';
  return process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
};

function workerCount(text: string): number {
  if (!/^[1-9]\d?$/.test(text) || Number(text) > 64) throw new Error('should be a whole number, 1 to 64');
  return Number(text);
}

export const RELAY_VARIABLES = {
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
    (variable) => variable.asSwitch(),
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
  proxyNetworks: optional(
    'SEALPOST_PROXY_NETWORKS',
    {
      form: 'CIDRs, comma-separated',
      meaning:
        'Balancers whose connections begin with a PROXY header (version 1 or 2), which says who the client is; that address counts for everything, `SEALPOST_CLIENT_NETWORKS` first of all. The balancer itself may connect too, to see whether we are well.',
    },
    (variable) => variable.asNetworks(),
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
  workers: withDefault(
    'SEALPOST_WORKERS',
    '1',
    {
      form: 'number, 1 to 64',
      meaning:
        'Processes that relay on the same ports; each has its share of `SEALPOST_POOL_MIN` and `SEALPOST_POOL_MAX`, so set that one too where the upstream counts connections. Failed logins and clients of one address are counted in each. More than one pays where one is always busy and other processors are idle.',
    },
    (variable) => workerCount(variable.asString()),
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

/** @throws the first problem */
export function readRelay(container: Container): Pick<Values, keyof typeof RELAY_VARIABLES> {
  return {
    listen: RELAY_VARIABLES.listen.read(container),
    listenTls: RELAY_VARIABLES.listenTls.read(container),
    listenStarttls: RELAY_VARIABLES.listenStarttls.read(container),
    listenCert: RELAY_VARIABLES.listenCert.read(container),
    listenKey: RELAY_VARIABLES.listenKey.read(container),
    stateDirectory: RELAY_VARIABLES.stateDirectory.read(container),
    clientNetworks: RELAY_VARIABLES.clientNetworks.read(container),
    proxyNetworks: RELAY_VARIABLES.proxyNetworks.read(container),
    maxOctets: RELAY_VARIABLES.maxOctets.read(container),
    lineEndings: RELAY_VARIABLES.lineEndings.read(container),
    hostname: RELAY_VARIABLES.hostname.read(container),
    workers: RELAY_VARIABLES.workers.read(container),
    logLevel: RELAY_VARIABLES.logLevel.read(container),
    logFormat: RELAY_VARIABLES.logFormat.read(container),
  };
}
