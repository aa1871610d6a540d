/**
 * The status page in a real browser: it shows what happens while it happens, to everybody who may look, and nobody else has
 * a say in it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import type { Page } from 'playwright-core';

import type { Update } from '../../src/admin/status/status.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { TestBrowser } from '../support/peers/browser.ts';
import { TestAuthority } from '../support/pki.ts';
import { authority, scene, sendTo } from '../support/pool-scene.ts';
import type { RelayProcess } from '../support/relay-process.ts';
import { SmtpDialog } from '../support/smtp-dialog.ts';
import { wholeStatus } from '../support/status-events.ts';

const ADMIN = { SEALPOST_ADMIN_LISTEN: '127.0.0.1:0' };
const HOSTILE = '<script>document.title="taken"</script><img src=x onerror=document.title="taken">';

let browser: TestBrowser;
before(async () => (browser = await TestBrowser.start()));
after(async () => {
  await browser.stop();
  authority.remove();
});

async function pageOf(relay: RelayProcess): Promise<string> {
  return `http://127.0.0.1:${Number((await relay.event('admin.started'))['port'])}/`;
}

/** Everybody called no is nobody there. */
function answer(line: string): string | undefined {
  return line.startsWith('RCPT TO:<no@') ? `550 5.1.1 ${HOSTILE}\r\n` : undefined;
}

async function sendToNobody(relay: RelayProcess): Promise<void> {
  using client = await SmtpDialog.open(relay.port());
  for (const line of [`EHLO ${HOSTILE}`, 'MAIL FROM:<alice@x.test>', 'RCPT TO:<no@y.test>', 'QUIT'])
    await client.command(line);
}

function rows(page: Page, kind: string): ReturnType<Page['locator']> {
  return page.locator(`#stories > li[data-kind="${kind}"]`);
}

test('shows a delivery while somebody looks on, with its story, and asks no other host for anything', async () => {
  await using stage = await scene({}, ADMIN);
  const url = await pageOf(stage.relay);
  const { page, asked, complaints, shoot } = await browser.look(url);
  await page.getByText('Ready for the first message.').waitFor();
  assert.equal(await sendTo(stage.relay), 250);
  await rows(page, 'delivered').locator('summary').click();
  await page.getByText('Mail is flowing, and every hop is secured.').waitFor();
  for (const said of ['MAIL FROM:<a…@x.test>', 'RCPT TO:<b…@y.test>', 'opened for it', 'Where the time went'])
    await page.getByText(said).waitFor();
  const hop = page.locator(`[data-upstream="localhost:${stage.upstream.port}"]`);
  for (const word of ['TLSv1.3', 'a certificate from a trusted authority', 'days left'])
    await hop.getByText(word).waitFor();
  await shoot('status-delivered');
  assert.deepEqual(complaints, []);
  assert.ok(asked.length >= 10);
  assert.deepEqual(
    asked.filter((one) => !one.startsWith(url)),
    [],
  );
});

test('shows a hop that could not be secured, why, and what to change', async () => {
  const stranger = new TestAuthority('A stranger');
  await using stage = await scene({ identity: stranger.issue({ san: 'DNS:localhost' }) }, ADMIN);
  stranger.remove();
  assert.equal(await sendTo(stage.relay), 451);
  const { page, complaints, shoot } = await browser.look(await pageOf(stage.relay));
  const hop = page.locator('[data-upstream][data-state="bad"]');
  await hop.getByText('not secured').waitFor();
  await hop.getByText('certificate-not-trusted at handshake').waitFor();
  const verdict = page.locator('#verdict[data-state="stopped"]');
  await verdict.getByText('SEALPOST_TLS_CA_FILE').waitFor();
  await rows(page, 'refused').getByText('451 4.7.5').waitFor();
  await shoot('status-insecure');
  assert.deepEqual(complaints, []);
});

test('shows markup of others as the text that it is', async () => {
  await using stage = await scene({ answer }, ADMIN);
  await sendToNobody(stage.relay);
  const { page, complaints } = await browser.look(await pageOf(stage.relay));
  await rows(page, 'refused').locator('summary').click();
  const story = rows(page, 'refused').locator('dl');
  await story.getByText(`550 5.1.1 ${HOSTILE}`).waitFor();
  await story.getByText(`calls itself ${HOSTILE}`).waitFor();
  assert.equal(await page.locator('main script, main img').count(), 0);
  assert.doesNotMatch(await page.title(), /taken/);
  assert.deepEqual(complaints, []);
});

test('lets the keyboard alone open a story, filter and search', async () => {
  await using stage = await scene({ answer }, ADMIN);
  assert.equal(await sendTo(stage.relay), 250);
  await sendToNobody(stage.relay);
  const { page } = await browser.look(await pageOf(stage.relay));
  await rows(page, 'refused').waitFor();
  const tabTo = async (selector: string, key = 'Tab'): Promise<void> => {
    for (let tabs = 0; tabs < 20 && (await page.locator(`${selector}:focus`).count()) === 0; tabs += 1)
      await page.keyboard.press(key);
    assert.equal(await page.locator(`${selector}:focus`).count(), 1);
  };
  await tabTo('summary');
  await page.keyboard.press('Enter');
  await page.getByText('What the client said, and heard').waitFor();
  // More is told of others; the focus and the open story stay.
  assert.equal(await sendTo(stage.relay), 250);
  await rows(page, 'delivered').nth(1).waitFor();
  assert.equal(await rows(page, 'refused').locator('summary:focus').count(), 1);
  await page.getByText('What the client said, and heard').waitFor();
  await tabTo('#search', 'Shift+Tab');
  await page.keyboard.type('calls nobody so');
  await page.getByText('No message is like that.').waitFor();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('5.1.1');
  await rows(page, 'delivered').first().waitFor({ state: 'detached' });
  assert.equal(await rows(page, 'refused').count(), 1);
});

const AXE = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

for (const [name, look] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
] as const) {
  test(`is accessible, and as wide as the screen: ${name}`, async () => {
    await using stage = await scene({ answer }, ADMIN);
    assert.equal(await sendTo(stage.relay), 250);
    await sendToNobody(stage.relay);
    const { page, shoot } = await browser.look(await pageOf(stage.relay), look);
    for (const kind of ['refused', 'delivered']) await rows(page, kind).locator('summary').click();
    await page.getByText('Where the time went').waitFor();
    await page.evaluate(AXE);
    const found: unknown = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes[0].html]))',
    );
    await shoot(`status-${name}`);
    assert.deepEqual(found, []);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth > innerWidth'), false);
  });
}

test('goes on after its connection was lost, with what happened meanwhile', async () => {
  await using stage = await scene({}, ADMIN);
  const { port } = new URL(await pageOf(stage.relay));
  await using between = await FaultProxy.start(Number(port));
  const { page } = await browser.look(`http://127.0.0.1:${between.port}/`);
  await page.locator('#connection[data-state="live"]').waitFor();
  between.refuse();
  for (const link of between.links) link.reset();
  await page.locator('#connection[data-state="lost"]').waitFor();
  assert.equal(await sendTo(stage.relay), 250);
  await between.listen();
  await rows(page, 'delivered').waitFor();
  await page.locator('#connection[data-state="live"]').waitFor();
});

test('keeps as many messages as anybody looks at, of ten thousand', async () => {
  await using stage = await scene({}, ADMIN);
  const { page } = await browser.look('about:blank');
  const stories = Array.from({ length: 10_000 }, (_, index) => {
    return { tid: `t${index}`, at: index, outcome: 'delivered', refusals: [] } as const;
  });
  const whole = await wholeStatus(stage.relay);
  const news = Array.from({ length: 200 }, (_, index) => {
    const update: Update = { ...whole, stories: stories.slice(index * 50, (index + 1) * 50) };
    return `event: news\ndata: ${JSON.stringify(update)}\n\n`;
  });
  const body = news.join('');
  await page.route('**/events', async (route) => route.fulfill({ contentType: 'text/event-stream', body }));
  await page.goto(await pageOf(stage.relay));
  await page.getByText('The last 100 of 500.').waitFor();
  await page.locator('#stories > li[data-tid="t9999"]').waitFor();
  assert.equal(await page.locator('#stories > li').count(), 100);
});
