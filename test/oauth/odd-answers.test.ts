/**
 * Token endpoints that answer oddly: what serves is taken, and what does not is told without what we sent.
 */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, suite, test } from 'node:test';

import { Secret } from '../../src/protocol/secret.ts';
import { CLIENT_SECRET } from '../support/authorization-server.ts';
import { OAuthBed } from '../support/oauth-bed.ts';

const clientProof = { kind: 'secret', secret: new Secret(CLIENT_SECRET), sentIn: 'body' } as const;
const SECRET_CLIENT = { clientId: 'secret-client', clientProof } as const;
const JSON_FIELDS = { 'content-type': 'application/json' };
const GOOD = { access_token: 'odd-but-good', token_type: 'Bearer', expires_in: 3_600 };

type Answer = (response: ServerResponse) => unknown;

function text(type: string, body: string): Answer {
  return (response) => response.writeHead(200, { 'content-type': type }).end(body);
}

function status(code: number, fields: Readonly<Record<string, string>> = {}): Answer {
  return (response) => response.writeHead(code, fields).end('<html>');
}

suite('a token endpoint', async () => {
  const bed = await OAuthBed.start();
  after(async () => bed.stop());

  function answerWith(answer: Answer): void {
    bed.server.intercept = (request, response) => {
      request.resume();
      answer(response);
      return true;
    };
  }

  const SERVING = [
    ['an ID token of an issuer that nobody asked about', { ...GOOD, id_token: 'eyJhbGciOiJub25lIn0.e30.' }],
    ['null for what it does not give', { ...GOOD, refresh_token: null, scope: null, id_token: null }],
    ['a lifetime in quotation marks', { ...GOOD, expires_in: '3600' }],
    ['no lifetime', { ...GOOD, expires_in: undefined }],
    ['a lifetime of no time at all', { ...GOOD, expires_in: 0 }],
    ['a lifetime of many years', { ...GOOD, expires_in: 1e15 }],
  ] as const;
  for (const [what, body] of SERVING)
    test(`that gives ${what} is taken at its word`, async () => {
      answerWith((response) => response.writeHead(200, JSON_FIELDS).end(JSON.stringify(body)));
      assert.equal(await bed.token(bed.tokens(SECRET_CLIENT)), 'odd-but-good');
    });

  const REFUSING = [
    ['HTML', text('text/html', '<html>'), 'not a token response'],
    ['half of its JSON', text('application/json', '{"access_token":"half'), 'not a token response'],
    ['a list', text('application/json', '[]'), 'not a token response'],
    [
      'another kind of token',
      text('application/json', JSON.stringify({ ...GOOD, token_type: 'mac' })),
      'not a bearer token',
    ],
    [
      'a negative lifetime',
      text('application/json', JSON.stringify({ ...GOOD, expires_in: -1 })),
      'not a token response',
    ],
    [
      'an endless lifetime',
      text('application/json', '{"access_token":"a","token_type":"Bearer","expires_in":1e400}'),
      'not a token response',
    ],
    ['500', status(500), 'HTTP 500'],
    [
      '429 as JSON',
      (response: ServerResponse) => response.writeHead(429, JSON_FIELDS).end('{"error":"slow"}'),
      'HTTP 429',
    ],
    ['a redirect', status(302, { location: 'https://localhost:1/elsewhere' }), 'HTTP 302'],
  ] as const;
  for (const [what, answer, detail] of REFUSING)
    test(`that answers with ${what} gives no token, and the failure says so`, async () => {
      answerWith(answer);
      const failure = await bed.failure(bed.tokens(SECRET_CLIENT));
      assert.deepEqual([failure.reason, failure.detail], ['token-endpoint-failed', detail]);
    });

  test('that answers without an end is cut off', async () => {
    answerWith((response) => {
      response.writeHead(200, JSON_FIELDS).on('error', () => undefined);
      const more = (): void => void (response.destroyed || response.write(' '.repeat(65_536), more));
      more();
    });
    const failure = await bed.failure(bed.tokens(SECRET_CLIENT));
    assert.deepEqual([failure.reason, failure.detail], ['token-endpoint-unreachable', 'response-too-large']);
  });
});
