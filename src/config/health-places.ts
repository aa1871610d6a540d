/**
 * Where to ask a relay how it is.
 */
import type { Address } from '../listener/listener.ts';
import { adminSocketOf } from './admin-socket.ts';
import { readEnvironment, type Problem } from './environment.ts';
import { TABLE } from './table.ts';
import { faultOf } from './variable-fault.ts';

/** Where a relay with this environment tells of its health, and how long that may take. */
export interface HealthPlaces {
  readonly socket: string | undefined;
  readonly address: Address | undefined;
  readonly connectMs: number;
}

/** For who asks a relay that runs already. */
export function loadHealthPlaces(
  environment = process.env,
): HealthPlaces | { readonly problems: readonly Problem[] } {
  const { container } = readEnvironment(environment);
  const { stateDirectory, listen, listenTls, adminListen, connectMs } = TABLE;
  const variables = [stateDirectory, listen, listenTls, adminListen, connectMs];
  const found = variables.flatMap((one) => faultOf(one, container, new Set()));
  if (found.length > 0) return { problems: found };
  return {
    socket: adminSocketOf({
      stateDirectory: stateDirectory.read(container),
      listen: listen.read(container),
      listenTls: listenTls.read(container),
    }),
    address: adminListen.read(container),
    connectMs: connectMs.read(container),
  };
}
