/**
 * Variables about what is written down for others to read: the audit trail, and reports on TLS.
 */
import { isAbsolute } from 'node:path';

import type { Values } from './table.ts';
import { optional, withDefault, type Container } from './variable.ts';

export const RECORD_VARIABLES = {
  auditFile: optional(
    'SEALPOST_AUDIT_FILE',
    {
      form: 'absolute path',
      meaning:
        'Where the audit trail is written: a JSON line for what became of each message, with the hash of the line before; `sealpost audit verify` finds what was changed. Mode 0600; each relay needs a file of its own. It may be moved away at any time; a new one is begun. Off when not set.',
    },
    (variable) => absolutePath(variable.asString()),
  ),
  auditMaxOctets: withDefault(
    'SEALPOST_AUDIT_MAX_OCTETS',
    '104857600',
    {
      form: 'octets',
      meaning:
        'A file of the audit trail that would grow beyond it is renamed, by the number of its last line, and the next one goes on.',
    },
    (variable) => variable.asOctets(),
  ),
  tlsReportDirectory: optional(
    'SEALPOST_TLS_REPORT_DIR',
    {
      form: 'absolute path',
      meaning:
        'Where reports on TLS are written, a JSON file for each UTC day and upstream (RFC 8460): how many hops were secured, and which failed how. The directory is made when it is not there; each relay needs one of its own. Off when not set.',
    },
    (variable) => absolutePath(variable.asString()),
  ),
} as const;

export function readRecords(container: Container): Pick<Values, keyof typeof RECORD_VARIABLES> {
  return {
    auditFile: RECORD_VARIABLES.auditFile.read(container),
    auditMaxOctets: RECORD_VARIABLES.auditMaxOctets.read(container),
    tlsReportDirectory: RECORD_VARIABLES.tlsReportDirectory.read(container),
  };
}

function absolutePath(text: string | undefined): string | undefined {
  if (text === undefined || isAbsolute(text)) return text;
  throw new Error('should be an absolute path');
}
