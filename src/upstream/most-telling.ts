/**
 * Which of several failures is told: that of one port among two, of one upstream among several.
 */
import type { Failure, RelayError } from '../protocol/failure.ts';

const TELLING: readonly Failure['kind'][] = [
  'auth',
  'tls',
  'session-refused',
  'protocol',
  'lost',
  'unreachable',
  'dns',
  'capacity',
  'unsupported',
];

/** "The certificate is wrong" says more than "refused"; what the upstream lacks says least, because it is permanent. */
export function mostTelling(failures: readonly RelayError[]): RelayError {
  return failures.reduce((best, error) => (rank(error) < rank(best) ? error : best));
}

function rank({ failure }: RelayError): number {
  // Of two insecure ports, the one that failed for no better reason than "it failed" says less.
  const vague = failure.kind === 'tls' && failure.resultType === 'validation-failure' ? 0.5 : 0;
  return TELLING.indexOf(failure.kind) + vague;
}
