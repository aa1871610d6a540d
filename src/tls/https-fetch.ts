/**
 * HTTPS requests in the shape of `fetch`, for libraries that speak to a token endpoint.
 *
 * Guarantees: https: only; nothing of a request is written before the server proved its name in `VerifiedTls`, so that no
 * variable of the environment weakens the proof; redirects are never followed and no proxy is used, so that what is sent
 * goes to the host of the URL and to no other; a response is bounded in octets and in time.
 * Does not: keep connections; a token lasts an hour.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';

import { errorCode } from '../protocol/error-code.ts';
import { RelayError } from '../protocol/failure.ts';
import { connectTcp } from './connect-tcp.ts';
import { NO_SERVER_HELLO, type Patience } from './handshake-end.ts';
import { referenceIdentifier, type ReferenceIdentifier } from './reference-identifier.ts';
import type { Trust } from './trust.ts';
import { VerifiedTls } from './verified-tls.ts';

/** Answers of a token endpoint are a few kilobytes. */
const RESPONSE_OCTETS = 262_144;

/** For one request, from the name to the last octet. */
const REQUEST_MS = 20_000;

/** How long a server may take to say anything at all to a large ClientHello, before a small one is tried. */
const FIRST_OCTET_MS = 5_000;

/** What a library gives with the URL. */
export interface HttpsRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: URLSearchParams | string | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type HttpsFetch = (url: string, init: HttpsRequest) => Promise<Response>;

/** Why there is no response; TLS has a `RelayError` instead. */
export class HttpsError extends Error {
  /** A code of Node's or a word of ours, never text from the peer. */
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`no response: ${reason}`, options);
    this.name = 'HttpsError';
    this.reason = reason;
  }
}

export interface HttpsBounds {
  readonly responseOctets?: number;
  readonly requestMs?: number;
}

/** @returns a function that throws {HttpsError}, or {RelayError} of kind `tls` */
export function httpsFetch(trust: Trust, bounds: HttpsBounds = {}): HttpsFetch {
  const { responseOctets = RESPONSE_OCTETS, requestMs = REQUEST_MS } = bounds;
  return async (text, init) => {
    const url = httpsUrl(text);
    const limit = AbortSignal.timeout(requestMs);
    const signal = init.signal === undefined ? limit : AbortSignal.any([limit, init.signal]);
    try {
      const stream = await verifiedStream(url, trust, signal);
      return await exchange(url, init, { stream, signal, responseOctets });
    } catch (error) {
      throw whyNot(error, signal);
    }
  };
}

/** Why there is no response. */
function whyNot(error: unknown, signal: AbortSignal): HttpsError | RelayError {
  if (error instanceof HttpsError) return error;
  if (!(error instanceof RelayError))
    return new HttpsError(signal.aborted ? 'timeout' : (errorCode(error) ?? 'connection-error'), {
      cause: error,
    });
  const { failure } = error;
  return failure.kind === 'unreachable' ? new HttpsError(failure.reason, { cause: error }) : error;
}

/** @throws {HttpsError} */
function httpsUrl(text: string): URL {
  if (!URL.canParse(text)) throw new HttpsError('not-a-url');
  const url = new URL(text);
  if (url.protocol !== 'https:') throw new HttpsError('not-https');
  if (url.username !== '' || url.password !== '') throw new HttpsError('credentials-in-url');
  return url;
}

/** On one more connection, with a small ClientHello, where nothing at all comes back for a large one. */
async function verifiedStream(url: URL, trust: Trust, signal: AbortSignal): Promise<Duplex> {
  const reference = referenceIdentifier(url.hostname);
  if (reference === undefined) throw new HttpsError('not-a-host');
  const { classical } = trust;
  if (classical === undefined) return handshake(url, reference, trust, { signal });
  try {
    return await handshake(url, reference, trust, { signal, firstOctetMs: FIRST_OCTET_MS });
  } catch (error) {
    const isStall =
      error instanceof RelayError && error.failure.kind === 'tls' && error.failure.reason === NO_SERVER_HELLO;
    if (!isStall) throw error;
    return handshake(url, reference, classical, { signal });
  }
}

async function handshake(
  url: URL,
  reference: ReferenceIdentifier,
  trust: Trust,
  patience: Patience,
): Promise<Duplex> {
  const socket = await connectTcp({ host: hostOf(url), port: portOf(url) }, patience.signal);
  const identity = { references: [reference], proof: { by: 'pkix' } } as const;
  const { stream } = await VerifiedTls.handshake(socket, identity, trust, patience);
  return stream;
}

interface Exchange {
  /** Inside TLS whose peer was authenticated. */
  readonly stream: Duplex;
  readonly signal: AbortSignal;
  readonly responseOctets: number;
}

async function exchange(url: URL, init: HttpsRequest, around: Exchange): Promise<Response> {
  const { stream, signal, responseOctets } = around;
  const body = init.body?.toString() ?? '';
  const options: RequestOptions = {
    method: init.method,
    host: hostOf(url),
    port: portOf(url),
    path: `${url.pathname}${url.search}`,
    headers: { ...init.headers, 'content-length': Buffer.byteLength(body) },
    createConnection: () => stream, // and with it no agent, so no proxy, no kept connection and no TLS but ours
    insecureHTTPParser: false, // whatever NODE_OPTIONS say
    maxHeaderSize: 16_384,
    signal,
  };
  try {
    return responseOf(await answered(options, body, responseOctets));
  } finally {
    stream.destroy();
  }
}

interface Answer {
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly octets: Buffer;
}

async function answered(options: RequestOptions, body: string, maxOctets: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (incoming) => {
      const { statusCode: status = 0, headers: fields } = incoming;
      const pieces: Buffer[] = [];
      let octets = 0;
      incoming
        .on('data', (piece: Buffer) => {
          octets += piece.length;
          if (octets > maxOctets) incoming.destroy(new HttpsError('response-too-large'));
          else pieces.push(piece);
        })
        .on('error', reject)
        .on('end', () => resolve({ status, fields, octets: Buffer.concat(pieces) }))
        .on('close', () => reject(new HttpsError('connection-closed')));
    });
    // Nobody asked for another protocol: Node would close the connection without a word.
    outgoing.on('upgrade', () => reject(new HttpsError('malformed-response')));
    outgoing.on('error', reject).end(body);
  });
}

/** @throws {HttpsError} */
function responseOf({ status, fields, octets }: Answer): Response {
  if (status < 200 || status > 599) throw new HttpsError('malformed-response');
  const headers = new Headers();
  for (const [name, value = []] of Object.entries(fields))
    for (const one of typeof value === 'string' ? [value] : value) headers.append(name, one);
  const isBodyless = status === 204 || status === 205 || status === 304;
  return new Response(isBodyless ? null : Uint8Array.from(octets), { status, headers });
}

/** Without the brackets that a URL has around an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

function portOf({ port }: URL): number {
  return port === '' ? 443 : Number(port);
}
