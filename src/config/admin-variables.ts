/**
 * Variables about what is told over HTTP: where, to whom, and how much of it.
 *
 * Beyond loopback nothing is told in clear, and nothing to somebody without the token: the token is a credential, and the
 * page names clients, upstreams and what they said. So both are needed there, the token and a certificate.
 */
import { isLoopback } from '../tls/loopback.ts';
import type { Problem } from './environment.ts';
import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

/** Nobody guesses as many. */
const LEAST_CHARACTERS = 16;

export const ADMIN_VARIABLES = {
  adminListen: optional(
    'SEALPOST_ADMIN_LISTEN',
    {
      form: '`host:port`',
      meaning:
        'Where the status page (`/`), health and metrics are told over HTTP: `/livez`, `/readyz` (200 when a hop was secured in the last minute or can be now, else 503 and the reason) and `/metrics` for Prometheus. Beyond loopback by HTTPS only, with `SEALPOST_LISTEN_CERT_FILE`, and to those who have `SEALPOST_ADMIN_TOKEN`. Off when not set; `sealpost health` needs none.',
    },
    (variable) => variable.asAddress(),
  ),
  adminToken: optional(
    'SEALPOST_ADMIN_TOKEN',
    {
      form: `text of at least ${LEAST_CHARACTERS} characters`,
      meaning:
        'Asked of everybody there but for health: as a bearer token, or as the password that a browser asks for, with any name.',
      isSecret: true,
    },
    (variable) => variable.asSecret(),
  ),
  statusAddresses: withDefault(
    'SEALPOST_STATUS_ADDRESSES',
    'mask',
    {
      form: '`mask`, `show` or `hide`',
      meaning:
        'How the status page shows addresses of senders and recipients: by first letter and domain, whole, or not at all.',
    },
    (variable) => variable.asEnum(['mask', 'show', 'hide'] as const),
  ),
} as const;

export function readAdmin(container: Container): Pick<Values, keyof typeof ADMIN_VARIABLES> {
  return {
    adminListen: ADMIN_VARIABLES.adminListen.read(container),
    adminToken: ADMIN_VARIABLES.adminToken.read(container),
    statusAddresses: ADMIN_VARIABLES.statusAddresses.read(container),
  };
}

export function adminFaults({ adminListen, adminToken, listenCert }: Values): readonly Problem[] {
  const problems: Problem[] = [];
  if (adminToken !== undefined && adminToken.reveal().length < LEAST_CHARACTERS) {
    const text = `should have at least ${LEAST_CHARACTERS} characters, such as those of: openssl rand -hex 16`;
    problems.push({ variable: 'SEALPOST_ADMIN_TOKEN', text });
  }
  if (adminListen === undefined || isOnLoopback(adminListen.host)) return problems;
  const beyond = `is required for SEALPOST_ADMIN_LISTEN=${adminListen.host}, beyond loopback`;
  if (adminToken === undefined) problems.push({ variable: 'SEALPOST_ADMIN_TOKEN', text: beyond });
  if (listenCert === undefined)
    problems.push({ variable: 'SEALPOST_LISTEN_CERT_FILE', text: `${beyond}: HTTPS shows it` });
  return problems;
}

/** Plain HTTP stays on this machine. */
export function isOnLoopback(host: string): boolean {
  return host === 'localhost' || isLoopback(host);
}
