/**
 * Why there is no hop, in words: what is wrong, and what to change.
 */
import type { Events } from '../../log/events.ts';
import type { Failure, Phase } from '../../protocol/failure.ts';
import { failureReply } from '../../relay/failure-reply.ts';
import { tlsSentence } from '../../relay/tls-sentence.ts';

export function insecureSentence({ resultType, reason }: Events['hop.insecure']): string {
  return tlsSentence(resultType, reason);
}

export function refusedSentence({ failure, phase, reason }: Events['hop.refused']): string {
  if (failure === 'auth')
    return `The upstream did not let the relay log in (${reason}); check SEALPOST_UPSTREAM_USER and its password or token.`;
  if (failure === 'session-refused')
    return `The upstream refused the session at ${phase} (${reason}); its operator can say why.`;
  const known = failureOf(failure, phase, reason);
  if (known === undefined) return `There is no hop to the upstream (${failure} at ${phase}: ${reason}).`;
  return failureReply(known, 'temporary')
    .lines.join(' ')
    .replace(/^\d\.\d\.\d /, '');
}

/** Those that are known whole from their kind, phase and reason. */
function failureOf(kind: Failure['kind'], phase: Phase, reason: string): Failure | undefined {
  if (kind === 'dns') return { kind, phase: 'resolve', reason };
  if (kind === 'unreachable') return { kind, phase: phase === 'connect' ? phase : 'greeting', reason };
  if (kind === 'lost' || kind === 'protocol') return { kind, phase, reason };
  return undefined;
}
