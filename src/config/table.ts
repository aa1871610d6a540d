/**
 * Every variable there is, with its form, default and meaning: the parser, docs/CONFIGURATION.md and `sealpost config`
 * are made from this table.
 */
import { ADMIN_VARIABLES, readAdmin } from './admin-variables.ts';
import { CLIENT_AUTH_VARIABLES, readClientAuth } from './client-auth-variables.ts';
import { LIMIT_VARIABLES, readLimits } from './limit-variables.ts';
import { OAUTH_VARIABLES, readOAuth } from './oauth-variables.ts';
import { POOL_VARIABLES, readPool } from './pool-variables.ts';
import { readRecords, RECORD_VARIABLES } from './record-variables.ts';
import { readRelay, RELAY_VARIABLES } from './relay-variables.ts';
import { readRoutes, ROUTE_VARIABLES } from './route-variables.ts';
import { readSenders, SENDER_VARIABLES } from './sender-variables.ts';
import { readSpool, SPOOL_VARIABLES } from './spool-variables.ts';
import { readTrust, TRUST_VARIABLES } from './trust-variables.ts';
import { readUpstream, UPSTREAM_VARIABLES } from './upstream-variables.ts';
import type { Container, Variable } from './variable.ts';

export const TABLE = {
  ...UPSTREAM_VARIABLES,
  ...ROUTE_VARIABLES,
  ...OAUTH_VARIABLES,
  ...TRUST_VARIABLES,
  ...POOL_VARIABLES,
  ...RELAY_VARIABLES,
  ...ADMIN_VARIABLES,
  ...SPOOL_VARIABLES,
  ...CLIENT_AUTH_VARIABLES,
  ...LIMIT_VARIABLES,
  ...SENDER_VARIABLES,
  ...RECORD_VARIABLES,
} as const;

export type Values = { readonly [K in keyof typeof TABLE]: ReturnType<(typeof TABLE)[K]['read']> };

/** Reads everything. @throws the first problem; see `VARIABLES` to find them all */
export function readTable(container: Container): Values {
  return {
    ...readUpstream(container),
    ...readRoutes(container),
    ...readOAuth(OAUTH_VARIABLES, container),
    ...readTrust(container),
    ...readPool(container),
    ...readRelay(container),
    ...readAdmin(container),
    ...readSpool(container),
    ...readRecords(container),
    ...readClientAuth(container),
    ...readLimits(container),
    ...readSenders(container),
  };
}

/** All variables in the order of the table. */
export const VARIABLES: readonly Variable<unknown>[] = Object.values(TABLE);
