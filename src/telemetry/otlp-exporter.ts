/**
 * Sends spans to a collector: OTLP over HTTP, in JSON.
 *
 * Guarantees: beyond loopback only inside verified TLS; no message waits for it; what cannot be sent soon is dropped, and
 * the log tells so once.
 */
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

import type { Log } from '../log/log.ts';
import type { Observer } from '../log/observer.ts';
import { errorCode } from '../protocol/error-code.ts';
import { RelayError } from '../protocol/failure.ts';
import { HttpsError, type HttpsFetch } from '../tls/https-fetch.ts';
import { spanObserver, type Span } from './spans.ts';

export interface OtlpDestination {
  /** https:, or http: on loopback. */
  readonly url: URL;
  readonly serviceName: string;
  /** May hold secrets. */
  readonly headers: Readonly<Record<string, string>>;
}

const GATHER_MS = 2_000;
const PATIENCE_MS = 5_000;
const LAST_MS = 2_000;
const MOST_WAITING = 10_000;

export class OtlpExporter {
  readonly observer: Observer;
  readonly #destination: OtlpDestination;
  readonly #version: string;
  readonly #fetch: HttpsFetch;
  readonly #log: Log;
  #waiting: Span[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sending = Promise.resolve();
  #trouble: string | undefined;

  constructor(destination: OtlpDestination, version: string, fetch: HttpsFetch, log: Log) {
    this.#destination = destination;
    this.#version = version;
    this.#fetch = fetch;
    this.#log = log;
    this.observer = spanObserver((spans) => this.#take(spans));
  }

  /** Sends what waits, if that can be done soon. */
  async close(): Promise<void> {
    this.#flush();
    await Promise.race([this.#sending, delay(LAST_MS, undefined, { ref: false })]);
  }

  #take(spans: readonly Span[]): void {
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(...spans);
    this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS).unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const spans = this.#waiting;
    this.#waiting = [];
    if (spans.length > 0) this.#sending = this.#sending.then(async () => this.#send(spans));
  }

  async #send(spans: readonly Span[]): Promise<void> {
    const trouble = await this.#post(JSON.stringify(this.#request(spans))).catch(reasonOf);
    const isNew = trouble !== undefined && trouble !== this.#trouble;
    if (isNew) this.#log.emit('telemetry.failed', { host: this.#destination.url.host, reason: trouble });
    this.#trouble = trouble;
  }

  /** @returns why it was not taken */
  async #post(body: string): Promise<string | undefined> {
    const { url, headers: own } = this.#destination;
    const headers = { ...own, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const status =
      url.protocol === 'https:'
        ? (await this.#fetch(url.href, { method: 'POST', headers, body, signal })).status
        : await postClear(url, headers, body, signal);
    return status >= 200 && status < 300 ? undefined : `status-${status}`;
  }

  #request(spans: readonly Span[]): object {
    const { serviceName } = this.#destination;
    const attributes = Object.entries({ 'service.name': serviceName, 'service.version': this.#version });
    const resource = {
      attributes: attributes.map(([key, stringValue]) => ({ key, value: { stringValue } })),
    };
    const scope = { name: 'sealpost', version: this.#version };
    return { resourceSpans: [{ resource, scopeSpans: [{ scope, spans }] }] };
  }
}

/** To this machine. @returns the status */
async function postClear(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: string,
  signal: AbortSignal,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers: { ...headers, 'content-length': Buffer.byteLength(body) } };
    request(url, { ...options, agent: false, signal }, (response) => {
      response.resume().once('error', reject);
      resolve(response.statusCode ?? 0);
    })
      .once('error', reject)
      .end(body);
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof HttpsError) return error.reason;
  if (error instanceof RelayError && error.failure.kind === 'tls') return error.failure.resultType;
  return errorCode(error) ?? 'unknown';
}
