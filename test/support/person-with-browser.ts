/**
 * Somebody who does with a browser what the pages of the authorization server ask for: logs in, says yes.
 */
import { httpsFetch } from '../../src/tls/https-fetch.ts';
import { Trust } from '../../src/tls/trust.ts';

export class PersonWithBrowser {
  readonly #user: string;
  readonly #fetch: ReturnType<typeof httpsFetch>;
  readonly #cookies = new Map<string, string>();

  /** @param anchors PEM that the browser trusts */
  constructor(user: string, anchors: string) {
    this.#user = user;
    this.#fetch = httpsFetch(new Trust({ addedAnchors: [anchors], isAnchorsOnly: true }));
  }

  /** Goes through all pages; for a device, enters the code. @returns the text of the last page */
  async goThrough(url: string, userCode?: string): Promise<string> {
    let page = await this.#open(url);
    for (let step = 0; step < 8; step += 1) {
      const form = formIn(page.text, page.url);
      if (form === undefined) return page.text;
      const { fields } = form;
      if (fields.has('user_code') && userCode !== undefined) fields.set('user_code', userCode);
      if (fields.get('prompt') === 'login') {
        fields.set('login', this.#user);
        fields.set('password', 'anything');
      }
      page = await this.#open(form.action, fields);
    }
    throw new Error(`the pages do not end: ${page.url}`);
  }

  /** Follows redirects, as far as the port that waits on loopback. */
  async #open(url: string, fields?: URLSearchParams): Promise<{ url: string; text: string }> {
    if (url.startsWith('http://127.0.0.1')) return { url, text: await (await fetch(url)).text() };
    const response = await this.#fetch(url, {
      method: fields === undefined ? 'GET' : 'POST',
      headers: {
        cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(fields === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      },
      body: fields,
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      this.#cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location !== null) return this.#open(new URL(location, url).href);
    return { url, text: await response.text() };
  }
}

function formIn(html: string, at: string): { action: string; fields: URLSearchParams } | undefined {
  const [, attributes, inside] = /<form\b([^>]*)>([\s\S]*?)<\/form>/.exec(html) ?? [];
  const action = /action="([^"]*)"/.exec(attributes ?? '')?.[1];
  if (action === undefined || inside === undefined) return undefined;
  const fields = new URLSearchParams();
  for (const [input] of inside.matchAll(/<input\b[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(input)?.[1];
    if (name !== undefined) fields.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? '');
  }
  return { action: new URL(action, at).href, fields };
}
