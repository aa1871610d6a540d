/**
 * Health over HTTP: `/livez` (the process answers) and `/readyz` (a hop to the upstream was secured lately, or can be).
 *
 * Guarantees: tells words of ours, never text from an upstream.
 */
import type { Readiness } from './health.ts';
import { jsonPage, type Page, type Pages } from './page.ts';

export function healthPages(readiness: Readiness): Pages {
  return new Map([
    ['/livez', async (): Promise<Page> => Promise.resolve(jsonPage(200, { alive: true }))],
    [
      '/readyz',
      async (): Promise<Page> => {
        const health = await readiness.ask();
        return jsonPage(health.ready ? 200 : 503, health);
      },
    ],
  ]);
}
