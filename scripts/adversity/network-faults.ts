/**
 * Traffic over a network that fails, and every message accounted for: `network-faults.ts FAR [--seconds N]`, to be run in
 * the near one of the two namespaces (scripts/network-faults).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { startRelay, type RelayProcess } from '../../test/support/relay-process.ts';
import { Companion, placeOf } from './companion.ts';
import { isClean, Ledger } from './ledger.ts';
import { Random } from './random.ts';
import { Traffic } from './traffic.ts';
import { FAR_ADDRESS, TwoNetworks } from './two-networks.ts';

const UPSTREAM = new URL('good-upstream.ts', import.meta.url);
const CLIENTS = 4;
/** For connecting, a reply and a verdict: what is lost is known soon. */
const PATIENCE_SECONDS = '4';
/** A path that was cut may need some retransmissions until it works again. */
const MENDED_MS = 30_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '15' }, only: { type: 'string' } },
});
const networks = new TwoNetworks(positionals[0] ?? '');
const seconds = Number(values.seconds);

const FAULTS: Readonly<Record<string, () => void>> = {
  'no fault': () => undefined,
  'loss of 10 % each way': () => networks.lose(0.1),
  'loss of 30 % each way': () => networks.lose(0.3),
  'delay of 100 ms': () => networks.delay(100),
  'a wire of 500 kbit/s': () => networks.narrow(500),
  partition: () => networks.part(),
  'every packet reset': () => networks.reset(),
  'the wire pulled': () => networks.pull(),
};

let isWrong = false;
for (const [name, act] of Object.entries(FAULTS)) {
  if (values.only !== undefined && !values.only.split(',').includes(name)) continue;
  process.stdout.write(`${name}: ${await played(act)}\n`);
}
if (isWrong) process.exitCode = 1;

/** A third of the time good, a third of it the fault, a third good again. @returns what came of it */
async function played(act: () => void): Promise<string> {
  await using cleanup = new AsyncDisposableStack();
  const ledger = new Ledger();
  const upstream = cleanup.use(await Companion.start(UPSTREAM, ['0.0.0.0'], networks.onTheFarSide));
  upstream.onLine = (recipient) => ledger.deliver(recipient, true);
  const { port, caFile } = placeOf(upstream);
  const relay = cleanup.use(
    await startRelay({
      SEALPOST_UPSTREAM: `smtps://${FAR_ADDRESS}:${port}?server-name=localhost`,
      SEALPOST_TLS_CA_FILE: caFile,
      SEALPOST_CONNECT_TIMEOUT: PATIENCE_SECONDS,
      SEALPOST_COMMAND_TIMEOUT: PATIENCE_SECONDS,
      SEALPOST_FINAL_TIMEOUT: PATIENCE_SECONDS,
    }),
  );
  const traffic = new Traffic(ledger, new Random());
  const stop = new AbortController();
  const clients = Array.from({ length: CLIENTS }, async () => keepSending(traffic, relay, stop.signal));
  const third = (seconds * 1_000) / 3;
  await delay(third);
  try {
    act();
  } catch (error) {
    stop.abort();
    await Promise.all(clients);
    const reason = error instanceof Error ? error.message.split('\n').slice(-2).join(' ') : String(error);
    return `NOT TRIED, this machine cannot: ${reason.trim()}`;
  }
  await delay(third);
  networks.mend();
  await delay(third);
  stop.abort();
  await Promise.all(clients);
  const isMended = await delivers(traffic, relay);
  const account = ledger.account();
  isWrong ||= !isMended || !isClean(account) || relay.output.includes('internal.error');
  const { acknowledged, refused, unknown, lost, contradicted, doubled, doubledWithoutNeed } = account;
  return (
    `recipients acknowledged ${acknowledged}, refused ${refused}, unknown ${unknown}; ` +
    `lost ${lost.length}, refused and delivered ${contradicted.length}, doubled ${doubled + doubledWithoutNeed.length}; ` +
    (isMended ? 'served again' : 'NOT SERVED AGAIN')
  );
}

async function keepSending(traffic: Traffic, relay: RelayProcess, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) if ((await traffic.send(relay.port())) !== 'acknowledged') await delay(100);
}

async function delivers(traffic: Traffic, relay: RelayProcess): Promise<boolean> {
  const late = performance.now() + MENDED_MS;
  while (performance.now() < late) {
    if ((await traffic.send(relay.port())) === 'acknowledged') return true;
    await delay(200);
  }
  return false;
}
