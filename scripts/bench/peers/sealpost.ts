/**
 * Sealpost as it is installed: the built program, its default settings.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { MANY_CLIENTS, startIn, type Peer, type PeerPlace } from './peer.ts';

const BUILT = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

export interface SealpostOptions {
  /** Another build than dist/, to compare with. */
  readonly program?: string | undefined;
  /** SEALPOST_ variables besides what is needed to run at all. */
  readonly variables: Readonly<Record<string, string>>;
}

export function sealpost(options: SealpostOptions): Peer {
  return sealpostWith('sealpost', options, () => ({}));
}

/** With all that observes it: metrics, the audit trail and reports on TLS. What that costs is a ratio within one run. */
export function observedSealpost(options: SealpostOptions): Peer {
  return sealpostWith('sealpost-observed', options, (work) => ({
    SEALPOST_ADMIN_LISTEN: '127.0.0.1:0',
    SEALPOST_AUDIT_FILE: work.at('audit.jsonl'),
    SEALPOST_TLS_REPORT_DIR: work.at('reports'),
  }));
}

function sealpostWith(
  name: string,
  { program = BUILT, variables }: SealpostOptions,
  more: (work: PeerPlace['work']) => Readonly<Record<string, string>>,
): Peer {
  const set = Object.entries(variables).map(([variable, value]) => ` ${variable}=${value}`);
  return {
    name,
    title: `${name.replace('s', 'S')}${set.join('')}`,
    way: 'relay',
    packages: [],
    idleClients: MANY_CLIENTS,
    prepare: async () =>
      Promise.resolve(execFileSync(process.execPath, [program, 'version'], { encoding: 'utf8' }).trim()),
    start: async (place: PeerPlace) => {
      const { work, upstream, port } = place;
      return startIn(place, process.execPath, [program, 'serve'], {
        NODE_ENV: 'production',
        SEALPOST_UPSTREAM: `smtps://${upstream.address}:${upstream.port}?server-name=${upstream.serverName}`,
        SEALPOST_TLS_CA_FILE: upstream.caFile,
        SEALPOST_LISTEN: `127.0.0.1:${port}`,
        SEALPOST_HOSTNAME: 'relay.sealpost.test',
        SEALPOST_STATE_DIR: work.at('state'),
        ...more(work),
        ...variables,
      });
    },
  };
}
