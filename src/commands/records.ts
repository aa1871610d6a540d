/**
 * What a relay writes down for others to read, beside its log.
 */
import { access, constants } from 'node:fs/promises';

import { AuditFile, fileReason } from '../audit/audit-file.ts';
import { AuditTrail } from '../audit/audit-trail.ts';
import { forgetForeignTrust, type Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import { packageVersion } from '../config/version.ts';
import type { ObservedLog } from '../log/log.ts';
import { ReportDirectory } from '../reports/report-directory.ts';
import { makeDirectory } from '../state/make-directory.ts';
import { OtlpExporter, type OtlpDestination } from '../telemetry/otlp-exporter.ts';
import { httpsFetch } from '../tls/https-fetch.ts';
import { Trust } from '../tls/trust.ts';

export interface Records {
  /** To be called when nothing happens any more. */
  close(): Promise<void>;
}

type Opened = Records | { readonly problems: readonly Problem[] };

/** Those that are wanted, or why one cannot be had. */
export async function openRecords(settings: Settings, log: ObservedLog): Promise<Opened> {
  const open: Records[] = [];
  for (const { variable, make } of [
    { variable: 'SEALPOST_AUDIT_FILE', make: openAuditTrail },
    { variable: 'SEALPOST_TLS_REPORT_DIR', make: openReports },
  ]) {
    try {
      const record = await make(settings, log);
      if (record !== undefined) open.push(record);
    } catch (error) {
      return { problems: [{ variable, text: `cannot be used (${fileReason(error)})` }] };
    }
  }
  if (settings.otlp !== undefined) open.push(openTelemetry(settings.otlp, settings, log));
  return { close: async () => void (await Promise.all(open.map(async (record) => record.close()))) };
}

async function openAuditTrail(
  { auditFile, auditMaxOctets }: Settings,
  log: ObservedLog,
): Promise<Records | undefined> {
  if (auditFile === undefined) return undefined;
  const trail = new AuditTrail(await AuditFile.open(auditFile, auditMaxOctets), log);
  log.observe(trail.observer);
  return trail;
}

function openTelemetry(destination: OtlpDestination, { trust }: Settings, log: ObservedLog): Records {
  forgetForeignTrust();
  // The client certificate is for the upstream.
  const fetch = httpsFetch(new Trust({ ...trust, clientIdentity: undefined }));
  const exporter = new OtlpExporter(destination, packageVersion(), fetch, log);
  log.observe(exporter.observer);
  return exporter;
}

async function openReports(
  { tlsReportDirectory, hostname }: Settings,
  log: ObservedLog,
): Promise<Records | undefined> {
  if (tlsReportDirectory === undefined) return undefined;
  await makeDirectory(tlsReportDirectory);
  await access(tlsReportDirectory, constants.W_OK);
  const reports = new ReportDirectory(tlsReportDirectory, hostname, log);
  log.observe(reports.observer);
  return reports;
}
