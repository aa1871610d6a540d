/**
 * smtp-server in front of nodemailer with a pool: what one writes in an afternoon. Answers RCPT before the upstream does.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { MANY_CLIENTS, startIn, type Peer, type PeerPlace } from './peer.ts';

const RELAY = fileURLToPath(new URL('nodemailer-relay.ts', import.meta.url));

export const nodemailer: Peer = {
  name: 'nodemailer',
  title: 'smtp-server + nodemailer pool',
  way: 'relay',
  packages: [],
  idleClients: MANY_CLIENTS,
  prepare: async () => Promise.resolve(`${versionOf('smtp-server')} + ${versionOf('nodemailer')}`),
  start: async (place: PeerPlace) => {
    const { upstream, port } = place;
    const { address, serverName, caFile } = upstream;
    const args = [RELAY, port, address, upstream.port, serverName, caFile].map(String);
    return startIn(place, process.execPath, args, { NODE_ENV: 'production' });
  },
};

function versionOf(name: string): string {
  const text = readFileSync(new URL(`../../../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  return /"version":\s*"([^"]+)"/.exec(text)?.[1] ?? 'unknown';
}
