/**
 * A resolver before a server that answers as the test says.
 */
import { ValidatingResolver } from '../../../src/dns/resolver.ts';
import { Trust } from '../../../src/tls/trust.ts';
import { DnsServer, response, type Content, type Respond } from '../../support/dns-server.ts';

/** An answer that never comes is a failure, not a wait without end. */
export const LIMIT = { timeout: 20_000 };

export const NOERROR = 0;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const REFUSED = 5;

export const trust = new Trust();

export interface Stage extends AsyncDisposable {
  readonly server: DnsServer;
  readonly resolver: ValidatingResolver;
}

export async function stage(respond: Respond, now?: () => number): Promise<Stage> {
  const server = await DnsServer.start(respond);
  const resolver = new ValidatingResolver(server.address, trust, now === undefined ? {} : { now });
  const dispose = async (): Promise<void> => {
    resolver.close();
    await server[Symbol.asyncDispose]();
  };
  return { server, resolver, [Symbol.asyncDispose]: dispose };
}

/** Answers every query with the same content. */
export function always(content: Content): Respond {
  return (query) => [response(query, content)];
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

export const TLSA_NAME = '_465._tcp.smtp.test';
