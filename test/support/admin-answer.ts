/**
 * What the admin listener of a relay answers.
 */
import { request, type RequestOptions } from 'node:http';

import type { RelayProcess } from './relay-process.ts';

export interface AdminAnswer {
  readonly status: number | undefined;
  readonly text: string;
}

export async function askAdmin(
  relay: RelayProcess,
  path: string,
  { headers = {}, method = 'GET' }: Pick<RequestOptions, 'headers' | 'method'> = {},
): Promise<AdminAnswer> {
  const { port } = await relay.event('admin.started');
  return answerOf({ host: '127.0.0.1', port: Number(port), path, headers, method, agent: false });
}

export async function answerOf(options: RequestOptions): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(options).end();
    sent.once('error', reject).once('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.once('end', () => resolve({ status: response.statusCode, text }));
    });
  });
}
