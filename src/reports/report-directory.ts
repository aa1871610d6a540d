/**
 * Reports on TLS by day and upstream, in a directory.
 *
 * Guarantees: a report is there whole or not at all; a day that is continued after a restart is one report.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Events } from '../log/events.ts';
import type { Log } from '../log/log.ts';
import type { Observer } from '../log/observer.ts';
import { errorCode } from '../protocol/error-code.ts';
import { writeFileAtomically } from '../state/atomic-file.ts';
import { SessionTally } from './session-tally.ts';
import { dayOf, policiesIn, reportName, tlsReport, type PolicyType } from './tls-report.ts';

/** A day's reports are also written while it lasts, for whoever looks, and against a crash. */
const HOUR_MS = 3_600_000;

/** Names may come from DNS. */
const MOST_DOMAINS = 100;
const OTHER_DOMAINS = 'others.invalid';

/** One report that is being made. */
interface Open {
  readonly day: string;
  readonly domain: string;
  readonly tally: SessionTally;
  /** Whether what another process wrote is in it. */
  isMerged: boolean;
  isChanged: boolean;
}

export class ReportDirectory {
  readonly observer: Observer = {
    'hop.probed': (fields) => this.#secured(fields),
    'hop.secured': (fields) => {
      if (!fields.probed) this.#secured(fields);
    },
    'hop.insecure': (fields) => this.#failed(fields),
  };
  readonly #directory: string;
  readonly #organization: string;
  readonly #log: Log;
  readonly #open = new Map<string, Open>();
  #writing = Promise.resolve();
  #timer: NodeJS.Timeout;

  /** @param directory that is there @param organization the name of the relay */
  constructor(directory: string, organization: string, log: Log) {
    this.#directory = directory;
    this.#organization = organization;
    this.#log = log;
    this.#timer = this.#later();
  }

  /** Writes what is known of the day. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writeAll();
  }

  /** At the end of the hour, and so at the end of the day. */
  #later(): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#timer = this.#later();
        void this.#writeAll();
      },
      HOUR_MS - (Date.now() % HOUR_MS) + 1,
    ).unref();
  }

  #secured({ host, authenticatedBy }: Events['hop.probed']): void {
    this.#tallyOf(host).secured(authenticatedBy.startsWith('dane') ? 'tlsa' : 'no-policy-found');
  }

  #failed({ host, resultType, reason, address, localAddress }: Events['hop.insecure']): void {
    this.#tallyOf(host).failed(policyOf(resultType), {
      'result-type': resultType,
      ...(localAddress === '' ? {} : { 'sending-mta-ip': localAddress }),
      'receiving-mx-hostname': host,
      ...(address === '' ? {} : { 'receiving-ip': address }),
      'failure-reason-code': reason,
    });
  }

  #tallyOf(host: string): SessionTally {
    const day = dayOf(new Date());
    const isRoom = this.#open.size < MOST_DOMAINS || this.#open.has(`${day} ${host}`);
    const domain = isRoom ? host : OTHER_DOMAINS;
    const key = `${day} ${domain}`;
    const open = this.#open.get(key) ?? {
      day,
      domain,
      tally: new SessionTally(),
      isMerged: false,
      isChanged: true,
    };
    open.isChanged = true;
    this.#open.set(key, open);
    return open.tally;
  }

  async #writeAll(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      for (const [key, open] of this.#open) {
        if (open.isChanged) await this.#write(open);
        if (!open.isChanged && open.day !== dayOf(new Date())) this.#open.delete(key);
      }
    });
    return this.#writing;
  }

  async #write(open: Open): Promise<void> {
    const { day, domain, tally } = open;
    const file = join(this.#directory, reportName(this.#organization, domain, day));
    try {
      if (!open.isMerged) for (const result of await written(file)) tally.add(result);
      open.isMerged = true;
      open.isChanged = false;
      const report = tlsReport(this.#organization, domain, day, tally.results(domain));
      await writeFileAtomically(file, `${JSON.stringify(report, undefined, 2)}\n`, { mode: 0o600 });
    } catch (error) {
      open.isChanged = true; // for the next time
      this.#log.emit('report.failed', { file, reason: errorCode(error) ?? 'not-a-report' });
    }
  }
}

/** What RFC 8460 §4.3.2.1 says of DANE is about a TLSA record; all else happens without a policy that it knows. */
function policyOf(resultType: Events['hop.insecure']['resultType']): PolicyType {
  return ['tlsa-invalid', 'dnssec-invalid', 'dane-required'].includes(resultType)
    ? 'tlsa'
    : 'no-policy-found';
}

async function written(file: string): Promise<ReturnType<typeof policiesIn>> {
  try {
    return policiesIn(await readFile(file, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
