/**
 * The HTTPS client that secrets go through: whom it believes, and what it does not do.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { after, before, beforeEach, suite, test } from 'node:test';

import { RelayError } from '../../src/protocol/failure.ts';
import { HttpsError, httpsFetch, type HttpsFetch } from '../../src/tls/https-fetch.ts';
import { Trust } from '../../src/tls/trust.ts';
import { TestAuthority, type Identity } from '../support/pki.ts';

const CANARY = 'client_secret=c4nary-of-the-fetch';
const POST = { method: 'POST', headers: { 'x-secret': CANARY }, body: CANARY } as const;

class Endpoint {
  readonly requests: IncomingMessage[] = [];
  /** Octets inside TLS. */
  octets = 0;
  answer: RequestListener = (_request, response) => void response.end('{"ok":true}');
  readonly server: Server;

  constructor(identity: Identity, maxVersion: 'TLSv1.1' | 'TLSv1.3' = 'TLSv1.3') {
    this.server = createServer({
      ...identity,
      minVersion: 'TLSv1',
      maxVersion,
      ciphers: 'DEFAULT:@SECLEVEL=0',
    });
    this.server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push(request);
      this.answer(request, response);
    });
    this.server.on('secureConnection', (socket) =>
      socket.on('data', (octets) => (this.octets += octets.length)),
    );
  }

  static async start(...of: ConstructorParameters<typeof Endpoint>): Promise<Endpoint> {
    const endpoint = new Endpoint(...of);
    endpoint.server.listen(0, '127.0.0.1');
    await once(endpoint.server, 'listening');
    return endpoint;
  }

  url(path = '/token'): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return `https://localhost:${address.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}

const authority = new TestAuthority();
const stranger = new TestAuthority();
const trust = new Trust({ addedAnchors: [authority.caPem], isAnchorsOnly: true });

async function tlsReason(fetch: HttpsFetch, url: string): Promise<string> {
  try {
    await fetch(url, POST);
  } catch (error) {
    if (error instanceof RelayError && error.failure.kind === 'tls') return error.failure.reason;
    throw error;
  }
  throw new Error('a response came');
}

async function httpsReason(fetch: HttpsFetch, url: string): Promise<string> {
  try {
    await fetch(url, POST);
  } catch (error) {
    if (error instanceof HttpsError) return error.reason;
    throw error;
  }
  throw new Error('a response came');
}

suite('a request to a token endpoint', () => {
  const fetch = httpsFetch(trust);
  const { NODE_TLS_REJECT_UNAUTHORIZED: allowed, HTTPS_PROXY: proxy } = process.env;
  let good: Endpoint;

  before(async () => {
    good = await Endpoint.start(authority.issue());
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    process.env['HTTPS_PROXY'] = 'http://127.0.0.1:1';
  });
  after(async () => {
    await good[Symbol.asyncDispose]();
    for (const one of [authority, stranger]) one.remove();
    if (allowed === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    if (proxy === undefined) delete process.env['HTTPS_PROXY'];
  });
  beforeEach(() => {
    good.answer = (_request, response) => void response.end('{"ok":true}');
    good.requests.splice(0);
  });

  test('gives status, headers and body of the response', async () => {
    good.answer = (_request, response) => void response.writeHead(400, { 'x-a': 'b' }).end('{"error":"no"}');
    const response = await fetch(good.url('/token?x=1'), POST);
    assert.equal(response.status, 400);
    assert.equal(response.headers.get('x-a'), 'b');
    assert.deepEqual(await response.json(), { error: 'no' });
    assert.equal(good.requests[0]?.url, '/token?x=1');
    assert.equal(good.requests[0]?.headers['x-secret'], CANARY);
  });

  const WRONG = [
    ['of an unknown authority', () => stranger.issue(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['signed by itself', () => authority.issue({ selfSigned: true }), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['for another name', () => authority.issue({ san: 'DNS:other.example' }), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [
      'with its name in the CN alone',
      () => authority.issue({ san: '', commonName: 'localhost' }),
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
    ['that has expired', () => authority.issue({ notAfter: '20250601000000Z' }), 'CERT_HAS_EXPIRED'],
  ] as const;
  for (const [what, issue, reason] of WRONG)
    test(`is not sent to a server with a certificate ${what}, NODE_TLS_REJECT_UNAUTHORIZED=0 or not`, async () => {
      await using endpoint = await Endpoint.start(issue());
      assert.equal(await tlsReason(fetch, endpoint.url()), reason);
      assert.equal(endpoint.octets, 0);
    });

  test('is not sent to a server without TLS 1.2', async () => {
    await using endpoint = await Endpoint.start(authority.issue({ key: 'rsa' }), 'TLSv1.1');
    await tlsReason(fetch, endpoint.url());
    assert.equal(endpoint.octets, 0);
  });

  test('is not sent by http', async () => {
    assert.equal(await httpsReason(fetch, good.url().replace('https:', 'http:')), 'not-https');
  });

  test('follows no redirect', async () => {
    await using other = await Endpoint.start(authority.issue());
    good.answer = (_request, response) => void response.writeHead(307, { location: other.url() }).end();
    assert.equal((await fetch(good.url(), POST)).status, 307);
    assert.equal(other.requests.length, 0);
  });

  test('takes no response above its bound', async () => {
    good.answer = (_request, response) => {
      const piece = Buffer.alloc(65_536, 'x');
      response.on('error', () => undefined);
      for (let index = 0; index < 8; index += 1) response.write(piece);
      response.end();
    };
    assert.equal(await httpsReason(fetch, good.url()), 'response-too-large');
  });

  test('waits no longer than its bound', async () => {
    good.answer = (_request, response) => void response.write('{');
    assert.equal(await httpsReason(httpsFetch(trust, { requestMs: 300 }), good.url()), 'timeout');
  });

  test('fails when the connection is cut within the response', async () => {
    good.answer = (request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('{');
      setImmediate(() => request.socket.destroy());
    };
    assert.match(await httpsReason(fetch, good.url()), /^ECONNRESET|connection-closed$/);
  });

  test('fails when nobody listens', async () => {
    const endpoint = await Endpoint.start(authority.issue());
    const url = endpoint.url();
    await endpoint[Symbol.asyncDispose]();
    assert.match(await httpsReason(fetch, url), /^ECONNREFUSED$/);
  });
});
