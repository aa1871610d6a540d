/**
 * Answers of servers that are asked beside the upstream: DNS, and token endpoints.
 */
import assert from 'node:assert/strict';

import { decode } from 'dns-packet';
import fc from 'fast-check';

import { DnsError } from '../../../src/dns/dns-error.ts';
import { encodeQuery, readResponse, type Question } from '../../../src/dns/dns-message.ts';
import { A, readAnswer, SRV, TLSA } from '../../../src/dns/record-set.ts';
import type { OAuthAccount } from '../../../src/oauth/account.ts';
import { TokenEndpoint } from '../../../src/oauth/token-endpoint.ts';
import { TokenError } from '../../../src/oauth/token-error.ts';
import { RelayError } from '../../../src/protocol/failure.ts';
import { Secret } from '../../../src/protocol/secret.ts';
import { HttpsError, httpsFetch } from '../../../src/tls/https-fetch.ts';
import { Trust } from '../../../src/tls/trust.ts';
import { a, cname, response, soa, tlsa } from '../dns-server.ts';
import { TestAuthority } from '../pki.ts';
import { TlsServer } from '../tls-server.ts';
import { damaged, octetsOf } from './octets.ts';
import { fuzzTarget, isText, type FuzzTarget } from './target.ts';

const question: Question = { type: 'A', name: 'host.test', isUnchecked: false };
const packet = decode(encodeQuery(7, question));
const messages = [
  response({ packet }, { answers: [cname('host.test', 'b.test'), a('b.test', '127.0.0.1')], isSecure: true }),
  response({ packet }, { code: 3, authorities: [soa(60, 30)] }),
  response({ packet }, { answers: [tlsa('host.test')] }),
].map((octets) => octets.toString('latin1'));

const dns = fuzzTarget<string>(
  {
    name: 'dns-message',
    inputs: damaged(messages),
    check: (text) => {
      try {
        const found = readResponse(octetsOf(text), question);
        if (found === undefined) return;
        for (const kind of [A, SRV, TLSA]) readAnswer<unknown>(kind, question.name, found);
      } catch (error) {
        assert.ok(error instanceof DnsError, String(error));
      }
    },
  },
  isText,
);

const CANARY = 'canary-of-a-refresh-token';
const account: OAuthAccount = {
  user: 'a@x.test',
  endpoints: { tokenUrl: 'https://localhost/token', scope: 'mail' },
  clientId: 'client',
  clientProof: { kind: 'none' },
  grant: { kind: 'refresh-token', seed: undefined },
  stateDirectory: '/nonexistent',
};
const bodies = damaged([
  '{"access_token":"t","token_type":"Bearer","expires_in":3600,"refresh_token":"r"}',
  `{"error":"invalid_grant","error_description":"no ${CANARY}"}`,
  '{"access_token":1,"token_type":"mac","expires_in":-1e999}',
  '[]',
  '<html>Sign in</html>',
]);

interface TokenAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const token = fuzzTarget<TokenAnswer>(
  {
    name: 'token-answer',
    inputs: fc.record({
      status: fc.constantFrom(200, 201, 204, 302, 400, 401, 403, 429, 500, 503),
      type: fc.constantFrom('application/json', 'application/json; charset=utf-8', 'text/html', ''),
      body: bodies,
    }),
    check: async ({ status, type, body }) => {
      const hasBody = status !== 204;
      const fetch = async (): Promise<Response> =>
        new Response(hasBody ? octetsOf(body) : null, { status, headers: { 'content-type': type } });
      try {
        const reply = await new TokenEndpoint(account, fetch).refresh(
          new Secret(CANARY),
          AbortSignal.timeout(10_000),
        );
        assert.equal(status, 200);
        assert.ok(reply.accessToken.reveal().length > 0 && Number.isFinite(reply.lifetimeMs));
      } catch (error) {
        assert.ok(error instanceof TokenError, String(error));
        assert.ok(!error.message.includes(CANARY), 'nothing that was sent is shown');
        assert.doesNotMatch(error.message, /\p{Cc}/u);
      }
    },
  },
  (input): input is TokenAnswer => typeof input === 'object' && input !== null && 'status' in input,
);

/** These answer over real connections. */
export async function httpsTarget(cleanup: AsyncDisposableStack): Promise<FuzzTarget> {
  const authority = cleanup.adopt(new TestAuthority(), (one) => one.remove());
  const trust = new Trust({ addedAnchors: [authority.caPem], isAnchorsOnly: true });
  let answer: Buffer = Buffer.alloc(0);
  const server = cleanup.adopt(
    await TlsServer.start(authority.issue(), (socket) => () => void socket.end(answer)),
    async (one) => one.stop(),
  );
  const fetch = httpsFetch(trust, { responseOctets: 10_000, requestMs: 5_000 });
  return fuzzTarget<string>(
    {
      name: 'https-answer',
      inputs: damaged([
        'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
        'HTTP/1.1 302 Found\r\nLocation: https://evil.test/\r\n\r\n',
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
        'HTTP/1.0 401 No\r\nWWW-Authenticate: Basic\r\n\r\n',
        'HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n',
      ]),
      check: async (text) => {
        answer = octetsOf(text);
        try {
          const url = `https://localhost:${server.port}/token`;
          const found = await fetch(url, { method: 'POST', headers: {}, body: 'secret' });
          assert.ok((await found.arrayBuffer()).byteLength <= 10_000);
        } catch (error) {
          assert.ok(error instanceof HttpsError || error instanceof RelayError, String(error));
        }
      },
    },
    isText,
  );
}

export const ANSWER_TARGETS: readonly FuzzTarget[] = [dns, token];
