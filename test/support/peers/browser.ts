/**
 * A real Chromium that looks at pages, and tells what it asked for and what it did not like.
 */
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** Debian's; scripts/peers installs it. */
const CHROMIUM = '/usr/bin/chromium';
/** Nothing that leaves the machine, and no sandbox, which root in a container has not. */
const SWITCHES = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Of screenshots; git ignores it. */
const ARTEFACTS = fileURLToPath(new URL('../../../artefacts/', import.meta.url));

/** A page that somebody looks at. */
export interface Look {
  readonly page: Page;
  /** URLs. */
  readonly asked: readonly string[];
  /** What the browser said about the page: errors, and what the page must not do. */
  readonly complaints: readonly string[];
  /** Kept for people to look at. */
  readonly shoot: (name: string) => Promise<void>;
}

export class TestBrowser {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    return new TestBrowser(await chromium.launch({ executablePath: CHROMIUM, args: SWITCHES }));
  }

  async stop(): Promise<void> {
    await this.#browser.close();
  }

  /** In a context of its own. */
  async look(url: string, options: BrowserContextOptions = {}): Promise<Look> {
    const context = await this.#browser.newContext(options);
    const page = await context.newPage();
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (message.type() !== 'info') complaints.push(message.text());
    });
    await page.goto(url);
    const shoot = async (name: string): Promise<void> => {
      mkdirSync(ARTEFACTS, { recursive: true });
      await page.screenshot({ path: `${ARTEFACTS}${name}.png`, fullPage: true });
    };
    return { page, asked, complaints, shoot };
  }
}
