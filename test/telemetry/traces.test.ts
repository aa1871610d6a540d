/**
 * Traces: what OpenTelemetry's collectors get, where, and what they never get.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { after, test } from 'node:test';

import { TestAuthority } from '../support/pki.ts';
import { authority, scene, sendTo } from '../support/pool-scene.ts';
import { runSealpost } from '../support/relay-process.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';

const stranger = new TestAuthority('A stranger');
after(() => {
  authority.remove();
  stranger.remove();
});

class Collector {
  readonly requests: { readonly headers: IncomingMessage['headers']; readonly text: string }[] = [];
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    server.on('request', (request, response) => {
      let text = '';
      request.on('data', (piece: Buffer) => (text += piece.toString()));
      request.on('end', () => {
        this.requests.push({ headers: request.headers, text });
        response.end('{}');
      });
    });
  }

  static async start(server: Server): Promise<Collector> {
    const collector = new Collector(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return collector;
  }

  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === 'string' ? 0 : address.port;
  }

  get text(): string {
    return this.requests.map(({ text }) => text).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

function namesIn(text: string): readonly string[] {
  return [...text.matchAll(/"name":"(sealpost [^"]*)"/g)].map(([, name = '']) => name);
}

test('sends a span for each message with its phases, by the usual variables, and no address of anybody', async () => {
  await using collector = await Collector.start(createServer());
  await using stage = await scene(
    {},
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'X-Key=for-metrics',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'X-Key=c4nary%20key',
      OTEL_SERVICE_NAME: 'mail-of-the-shop',
    },
  );
  using client = await SmtpDialog.open(stage.relay.port());
  for (const line of ['EHLO c4nary', 'MAIL FROM:<c4nary@x.test>', 'RCPT TO:<c4nary@y.test>'])
    assert.equal((await client.command(line)).code, 250);
  assert.equal((await client.command('DATA')).code, 354);
  assert.equal((await client.command('Subject: c4nary\r\n\r\nc4nary\r\n.')).code, 250);
  const { tid } = await stage.relay.event('transaction.delivered');
  await stage.relay.stop();
  assert.deepEqual(namesIn(collector.text), [
    'sealpost message',
    'sealpost wait',
    'sealpost envelope',
    'sealpost content',
    'sealpost verdict',
  ]);
  assert.match(collector.text, /"key":"service\.name","value":\{"stringValue":"mail-of-the-shop"\}/);
  assert.match(collector.text, new RegExp(`"sealpost.tid","value":{"stringValue":"${String(tid)}"}`));
  assert.equal(new Set(collector.text.match(/"traceId":"[0-9a-f]{32}"/g)).size, 1);
  assert.equal(collector.requests[0]?.headers['x-key'], 'c4nary key');
  assert.doesNotMatch(collector.text, /c4nary|127\.0\.0\.1/);
  assert.doesNotMatch(stage.relay.output, /c4nary key/);
});

test('sends traces inside verified TLS, and nothing to a collector that cannot prove its name', async () => {
  await using trusted = await Collector.start(createTlsServer(authority.issue({ san: 'DNS:localhost' })));
  await using untrusted = await Collector.start(createTlsServer(stranger.issue({ san: 'DNS:localhost' })));
  for (const collector of [trusted, untrusted]) {
    await using stage = await scene(
      {},
      {
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `https://localhost:${collector.port}/v1/traces`,
        NODE_TLS_REJECT_UNAUTHORIZED: '0',
      },
    );
    assert.equal(await sendTo(stage.relay), 250);
    await stage.relay.stop();
    if (collector === untrusted)
      assert.equal((await stage.relay.event('telemetry.failed'))['reason'], 'certificate-not-trusted');
  }
  assert.match(trusted.text, /sealpost verdict/);
  assert.equal(untrusted.requests.length, 0);
});

for (const command of ['serve', 'config'])
  test(
    `refuses to let traces leave this machine in clear text, or as grpc, and ${command} says so`,
    { timeout: 30_000 },
    async () => {
      const run = runSealpost([command], {
        SEALPOST_UPSTREAM: 'smtps://localhost:1',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example:4318',
      });
      const other = runSealpost([command], {
        SEALPOST_UPSTREAM: 'smtps://localhost:1',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example:4317',
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc',
      });
      await Promise.all([run, other].map(async ({ child }) => once(child, 'close')));
      assert.deepEqual([run.child.exitCode, other.child.exitCode], [78, 78]);
      assert.match(run.output, /^sealpost: OTEL_EXPORTER_OTLP_ENDPOINT should be an https URL/m);
      assert.match(other.output, /^sealpost: OTEL_EXPORTER_OTLP_TRACES_PROTOCOL should be http\/json/m);
    },
  );
