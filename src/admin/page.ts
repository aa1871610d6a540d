/**
 * What is told over HTTP.
 */
export interface Page {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** By path; each is made when it is asked for. */
export type Pages = ReadonlyMap<string, () => Promise<Page>>;

export function jsonPage(status: number, body: object): Page {
  return { status, contentType: 'application/json', text: `${JSON.stringify(body)}\n` };
}
