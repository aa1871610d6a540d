/**
 * What a relay writes down for others to read, beside its log.
 */
import { AuditFile, fileReason } from '../audit/audit-file.ts';
import { AuditTrail } from '../audit/audit-trail.ts';
import type { Problem } from '../config/environment.ts';
import type { Settings } from '../config/settings.ts';
import type { ObservedLog } from '../log/log.ts';

export interface Records {
  /** To be called when nothing happens any more. */
  readonly close: () => Promise<void>;
}

export async function openRecords(
  { auditFile, auditMaxOctets }: Settings,
  log: ObservedLog,
): Promise<Records | { readonly problems: readonly Problem[] }> {
  if (auditFile === undefined) return { close: async () => Promise.resolve() };
  try {
    const trail = new AuditTrail(await AuditFile.open(auditFile, auditMaxOctets), log);
    log.observe(trail.observer);
    return { close: async () => trail.close() };
  } catch (error) {
    const text = `cannot be used (${fileReason(error)})`;
    return { problems: [{ variable: 'SEALPOST_AUDIT_FILE', text }] };
  }
}
