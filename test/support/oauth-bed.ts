/**
 * An authorization server and what asks it for tokens, without a relay around.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Log } from '../../src/log/log.ts';
import type { OAuthAccount } from '../../src/oauth/account.ts';
import { RenewingToken } from '../../src/oauth/renewing-token.ts';
import { RelayError, type Failure } from '../../src/protocol/failure.ts';
import { httpsFetch } from '../../src/tls/https-fetch.ts';
import { Trust } from '../../src/tls/trust.ts';
import { AuthorizationServer } from './authorization-server.ts';
import { TestAuthority } from './pki.ts';

export const USER = 'printer@example.test';

export class OAuthBed {
  readonly authority: TestAuthority;
  readonly server: AuthorizationServer;
  readonly stateDirectory = mkdtempSync(join(tmpdir(), 'sealpost-oauth-'));
  /** Names of events with their fields. */
  readonly log: (readonly [string, Readonly<Record<string, unknown>>])[] = [];
  /** What the tokens take for the time; moved by tests. */
  now = Date.now();

  private constructor(authority: TestAuthority, server: AuthorizationServer) {
    this.authority = authority;
    this.server = server;
  }

  static async start(): Promise<OAuthBed> {
    const authority = new TestAuthority();
    return new OAuthBed(authority, await AuthorizationServer.start(authority));
  }

  get trust(): Trust {
    return new Trust({ addedAnchors: [this.authority.caPem], isAnchorsOnly: true });
  }

  /** Client credentials of nobody, with what is said instead. */
  account(wish: Partial<OAuthAccount>): OAuthAccount {
    return {
      user: USER,
      endpoints: { tokenUrl: this.server.tokenUrl, scope: 'mail' },
      clientId: 'native-client',
      clientProof: { kind: 'none' },
      grant: { kind: 'client-credentials' },
      stateDirectory: this.stateDirectory,
      ...wish,
    };
  }

  tokens(wish: Partial<OAuthAccount>): RenewingToken {
    const log: Log = { emit: (event, fields) => void this.log.push([event, { ...fields }]) };
    const fetch = httpsFetch(this.trust);
    return new RenewingToken(this.account(wish), { fetch, log, now: () => this.now });
  }

  async token(tokens: RenewingToken): Promise<string> {
    return (await tokens.accessToken(AbortSignal.timeout(10_000))).reveal();
  }

  /** The failure that comes instead of a token. */
  async failure(tokens: RenewingToken): Promise<Failure & { readonly kind: 'auth' }> {
    try {
      await this.token(tokens);
    } catch (error) {
      if (error instanceof RelayError && error.failure.kind === 'auth') return error.failure;
      throw error;
    }
    throw new Error('a token came');
  }

  async stop(): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.authority.remove();
    rmSync(this.stateDirectory, { recursive: true, force: true });
  }
}
