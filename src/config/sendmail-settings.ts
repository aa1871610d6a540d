/**
 * What `sealpost-sendmail` takes from its environment, which in a cron job is next to nothing.
 *
 * Guarantees: a relay on loopback, or a problem; only the variables it needs are read, so that a secret's file that this
 * user may not read is no obstacle.
 */
import { userInfo } from 'node:os';

import type { Address } from '../listener/listener.ts';
import { isLoopback } from '../tls/loopback.ts';
import { readEnvironment, type Problem } from './environment.ts';
import { RELAY_VARIABLES } from './relay-variables.ts';

export interface SendmailSettings {
  readonly relay: Address;
  readonly hostname: string;
  readonly loginName: string;
}

export type LoadedSendmail =
  { readonly settings: SendmailSettings } | { readonly problems: readonly Problem[] };

const { listen, hostname } = RELAY_VARIABLES;
/** Where a client on this machine finds a listener that is on all addresses. */
const REACHED_BY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

export function loadSendmailSettings(environment = process.env): LoadedSendmail {
  const needed = [listen.name, hostname.name].map((name) => [name, environment[name]] as const);
  const { container } = readEnvironment(Object.fromEntries(needed));
  const problems: Problem[] = [];
  const read = <T>(name: string, reader: () => T): T | undefined => {
    try {
      return reader();
    } catch (error) {
      problems.push({ variable: name, text: problemText(error) });
      return undefined;
    }
  };
  const relay = read(listen.name, () => relayAmong(listen.read(container)));
  const name = read(hostname.name, () => hostname.read(container));
  if (relay === undefined || name === undefined) return { problems };
  return { settings: { relay, hostname: name, loginName: loginNameOf(environment) } };
}

/** @throws {Error} when none can be reached without leaving the machine */
function relayAmong(addresses: readonly Address[]): Address {
  const reachable = addresses.map(({ host, port }) => ({ host: REACHED_BY[host] ?? host, port }));
  const relay = reachable.find(({ host }) => host === 'localhost' || isLoopback(host));
  if (relay === undefined)
    throw new Error(
      'should have an entry on loopback, such as 127.0.0.1:2525: mail goes to the relay in clear text',
    );
  if (relay.port === 0) throw new Error('should have a port that can be known here, not 0');
  return relay;
}

/** In a container the user may have no entry in /etc/passwd. */
function loginNameOf(environment: NodeJS.ProcessEnv): string {
  try {
    return userInfo().username;
  } catch {
    const { LOGNAME: name } = environment;
    return name === undefined || name === '' ? `uid${process.getuid?.() ?? ''}` : name;
  }
}

/** env-var puts its own name and the variable's in front. */
function problemText(error: unknown): string {
  return error instanceof Error ? error.message.replace(/^env-var: "[^"]*" /, '') : 'cannot be read';
}
