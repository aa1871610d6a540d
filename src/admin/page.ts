/**
 * What is told over HTTP.
 */
import type { ServerResponse } from 'node:http';

export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly text: string | Buffer;
}

/** A page that goes on: it writes its head and its body by itself, until whoever reads it leaves. */
export type Stream = (response: ServerResponse) => void;

/** By path; each is made when it is asked for. */
export type Pages = ReadonlyMap<string, () => Promise<Page | Stream>>;

export function jsonPage(status: number, body: object): Page {
  return { status, contentType: 'application/json', text: `${JSON.stringify(body)}\n` };
}
