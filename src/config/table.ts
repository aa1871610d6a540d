/**
 * Every variable there is, with its form, default and meaning: the parser, docs/CONFIGURATION.md and `sealpost config`
 * are made from this table.
 */
import { CLIENT_AUTH_VARIABLES, readClientAuth } from './client-auth-variables.ts';
import { LIMIT_VARIABLES, readLimits } from './limit-variables.ts';
import { OAUTH_VARIABLES, readOAuth } from './oauth-variables.ts';
import { POOL_VARIABLES } from './pool-variables.ts';
import { readListeners, RELAY_VARIABLES } from './relay-variables.ts';
import { ROUTE_VARIABLES } from './route-variables.ts';
import { SENDER_VARIABLES } from './sender-variables.ts';
import { readSpool, SPOOL_VARIABLES } from './spool-variables.ts';
import { TRUST_VARIABLES } from './trust-variables.ts';
import { UPSTREAM_VARIABLES } from './upstream-variables.ts';
import type { Container, Variable } from './variable.ts';

export const TABLE = {
  ...UPSTREAM_VARIABLES,
  ...ROUTE_VARIABLES,
  ...OAUTH_VARIABLES,
  ...TRUST_VARIABLES,
  ...POOL_VARIABLES,
  ...RELAY_VARIABLES,
  ...SPOOL_VARIABLES,
  ...CLIENT_AUTH_VARIABLES,
  ...LIMIT_VARIABLES,
  ...SENDER_VARIABLES,
} as const;

export type Values = { readonly [K in keyof typeof TABLE]: ReturnType<(typeof TABLE)[K]['read']> };

/** Reads everything. @throws the first problem; see `VARIABLES` to find them all */
export function readTable(container: Container): Values {
  return {
    provider: TABLE.provider.read(container),
    upstreams: TABLE.upstreams.read(container),
    upstreamUser: TABLE.upstreamUser.read(container),
    upstreamPassword: TABLE.upstreamPassword.read(container),
    upstreamAuth: TABLE.upstreamAuth.read(container),
    routes: TABLE.routes.read(container),
    requireTls: TABLE.requireTls.read(container),
    connectMs: TABLE.connectMs.read(container),
    commandMs: TABLE.commandMs.read(container),
    finalMs: TABLE.finalMs.read(container),
    ...readOAuth(OAUTH_VARIABLES, container),
    caAnchors: TABLE.caAnchors.read(container),
    isCaOnly: TABLE.isCaOnly.read(container),
    serverName: TABLE.serverName.read(container),
    pins: TABLE.pins.read(container),
    pinMode: TABLE.pinMode.read(container),
    dane: TABLE.dane.read(container),
    dnsResolver: TABLE.dnsResolver.read(container),
    dnsBogusName: TABLE.dnsBogusName.read(container),
    clientCert: TABLE.clientCert.read(container),
    clientKey: TABLE.clientKey.read(container),
    clientPkcs12: TABLE.clientPkcs12.read(container),
    clientPassphrase: TABLE.clientPassphrase.read(container),
    minTlsVersion: TABLE.minTlsVersion.read(container),
    ciphers: TABLE.ciphers.read(container),
    groups: TABLE.groups.read(container),
    tlsFailureReply: TABLE.tlsFailureReply.read(container),
    ...readPool(container),
    ...readSenders(container),
    ...readSpool(container),
    ...readListeners(container),
    stateDirectory: TABLE.stateDirectory.read(container),
    ...readClientAuth(container),
    ...readLimits(container),
    maxOctets: TABLE.maxOctets.read(container),
    lineEndings: TABLE.lineEndings.read(container),
    hostname: TABLE.hostname.read(container),
    workers: TABLE.workers.read(container),
    adminListen: TABLE.adminListen.read(container),
    logLevel: TABLE.logLevel.read(container),
    logFormat: TABLE.logFormat.read(container),
  };
}

function readPool(container: Container): Pick<Values, keyof typeof POOL_VARIABLES> {
  return {
    poolMin: TABLE.poolMin.read(container),
    poolMax: TABLE.poolMax.read(container),
    poolIdleMs: TABLE.poolIdleMs.read(container),
    poolMaxAgeMs: TABLE.poolMaxAgeMs.read(container),
    poolMaxMessages: TABLE.poolMaxMessages.read(container),
  };
}

function readSenders(container: Container): Pick<Values, keyof typeof SENDER_VARIABLES> {
  return {
    sender: TABLE.sender.read(container),
    senderRewrite: TABLE.senderRewrite.read(container),
    senderKeepsReplyTo: TABLE.senderKeepsReplyTo.read(container),
    allowedSenders: TABLE.allowedSenders.read(container),
    allowedRecipients: TABLE.allowedRecipients.read(container),
    localDomain: TABLE.localDomain.read(container),
    signedMessages: TABLE.signedMessages.read(container),
    trace: TABLE.trace.read(container),
  };
}

/** All variables in the order of the table. */
export const VARIABLES: readonly Variable<unknown>[] = Object.values(TABLE);
