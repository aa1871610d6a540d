/**
 * What observers cost: one relay, warm and under load, with its observers on and off in turns.
 *
 *   node scripts/bench/observers.ts [TURNS]
 *
 * Each pair of turns is in one process and seconds apart, so that the machine's moods and the compiler's are in both; CPU
 * time of the process is divided by the messages of the turn. Clients and upstream are processes of their own.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { Status } from '../../src/admin/status/status.ts';
import { AuditFile } from '../../src/audit/audit-file.ts';
import { AuditTrail } from '../../src/audit/audit-trail.ts';
import { Relay } from '../../src/commands/relay.ts';
import { loadSettings } from '../../src/config/settings.ts';
import type { EventName, Events } from '../../src/log/events.ts';
import { openLog, type Log } from '../../src/log/log.ts';
import { RelayMetrics } from '../../src/metrics/relay-metrics.ts';
import { ReportDirectory } from '../../src/reports/report-directory.ts';
import { TestAuthority } from '../../test/support/pki.ts';
import { ScriptedUpstream } from '../../test/support/scripted-upstream.ts';
import { SmtpDialog } from '../../test/support/smtp-dialog.ts';

const SESSIONS = 10;
const TURN_MS = 1_500;
const BODY = `Subject: x\r\n\r\n${'x'.repeat(4_000)}`;

async function serveUpstream(): Promise<void> {
  const authority = new TestAuthority();
  const identity = authority.issue({ san: 'DNS:localhost' });
  const upstream = await ScriptedUpstream.start({ mode: 'implicit', identity, keepContent: false });
  setInterval(() => upstream.messages.splice(0), 100);
  process.on('disconnect', () => {
    authority.remove();
    process.exit();
  });
  process.send?.({ url: upstream.url, caFile: authority.caFile });
}

async function send(port: number): Promise<void> {
  for (;;) {
    using client = await SmtpDialog.open(port);
    for (let sent = 0; sent < 500; sent += 1) await client.send(BODY);
  }
}

/** A log with observers and one without, of which one counts at a time. */
class Turns implements Log {
  isObserved = false;
  messages = 0;
  readonly #observed: Log;
  readonly #plain = openLog('info', 'json');

  constructor(observed: Log) {
    this.#observed = observed;
  }

  emit<E extends EventName>(event: E, fields: Events[E]): void {
    if (event === 'transaction.delivered') this.messages += 1;
    // Hops outlast a turn, and lines of the trail tell of them.
    const isHeard = this.isObserved || event === 'hop.secured';
    (isHeard ? this.#observed : this.#plain).emit(event, fields);
  }
}

async function measure(turns: number): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'sealpost-observers-'));
  const upstream = fork(import.meta.filename, ['upstream']);
  const { url, caFile } = await toldBy(upstream);
  const loaded = loadSettings({
    SEALPOST_UPSTREAM: url,
    SEALPOST_TLS_CA_FILE: caFile,
    SEALPOST_LISTEN: '127.0.0.1:0',
    SEALPOST_HOSTNAME: 'relay.example.test',
  });
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems));
  const log = new Turns(await observedLog(work));
  const relay = await Relay.make(loaded.settings, log);
  await relay.start();
  const clients = fork(import.meta.filename, ['clients', String(relay.addresses[0]?.port)]);
  await delay(5_000);
  const ratios: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    const order = turn % 2 === 0 ? [true, false] : [false, true];
    const cost = new Map<boolean, number>();
    for (const isOn of order) cost.set(isOn, await costOf(log, isOn));
    ratios.push((cost.get(true) ?? 0) / (cost.get(false) ?? 0));
    process.stderr.write(`off ${cost.get(false)?.toFixed(1)} µs, on ${cost.get(true)?.toFixed(1)} µs\n`);
  }
  ratios.sort((a, b) => a - b);
  const at = (part: number): string => (ratios[Math.floor((ratios.length - 1) * part)] ?? 0).toFixed(3);
  process.stderr.write(`on/off: median ${at(0.5)}, quartiles ${at(0.25)} and ${at(0.75)}, ${turns} pairs\n`);
  clients.kill();
  upstream.disconnect();
  rmSync(work, { recursive: true });
  process.exit();
}

async function toldBy(upstream: ChildProcess): Promise<{ url: string; caFile: string }> {
  const told = await new Promise<unknown>((resolve) => upstream.once('message', resolve));
  if (typeof told !== 'object' || told === null || !('url' in told) || !('caFile' in told))
    throw new TypeError('the upstream did not say where it is');
  return { url: String(told.url), caFile: String(told.caFile) };
}

async function observedLog(work: string): Promise<Log> {
  const log = openLog('info', 'json');
  const trail = new AuditTrail(await AuditFile.open(join(work, 'audit.jsonl'), 1e9), log);
  const reports = new ReportDirectory(work, 'relay.example.test', log);
  for (const { observer } of [new RelayMetrics('0'), new Status('mask'), trail, reports])
    log.observe(observer);
  return log;
}

/** @returns CPU microseconds for a message */
async function costOf(log: Turns, isObserved: boolean): Promise<number> {
  log.isObserved = isObserved;
  await delay(300); // what the turn before has left
  log.messages = 0;
  const before = process.cpuUsage();
  await delay(TURN_MS);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / log.messages;
}

const [role = '40', argument = ''] = process.argv.slice(2);
if (role === 'upstream') await serveUpstream();
else if (role === 'clients')
  await Promise.all(Array.from({ length: SESSIONS }, async () => send(Number(argument))));
else await measure(Number(role));
