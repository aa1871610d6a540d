/**
 * Where the audit trail is.
 */
import { readEnvironment, type Problem } from './environment.ts';
import { RECORD_VARIABLES } from './record-variables.ts';
import { faultOf } from './variable-fault.ts';

/** For who only reads it. */
export function loadAuditFile(
  environment = process.env,
): { readonly file: string } | { readonly problems: readonly Problem[] } {
  const { container } = readEnvironment(environment);
  const { auditFile } = RECORD_VARIABLES;
  const problems = faultOf(auditFile, container, new Set());
  if (problems.length > 0) return { problems };
  const file = auditFile.read(container);
  if (file !== undefined) return { file };
  return { problems: [{ variable: auditFile.name, text: 'is not set; name the files' }] };
}
