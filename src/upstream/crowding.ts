/**
 * Whether an upstream says that it has too many sessions of ours (RFC 5321 §3.8, RFC 4954 §6).
 *
 * Guarantees: only what was said inside TLS counts; anybody can say so in clear.
 */
import type { Failure } from '../protocol/failure.ts';
import { replyClass, type Reply } from '../protocol/reply.ts';

const CROWDED = /\bconcurrent|\bthread limit\b|\btoo many (?:\w+ ){0,3}(?:connections|sessions)\b/i;

/** To one more session. */
export function refusesSession(failure: Failure): boolean {
  if (failure.kind === 'session-refused') return failure.isInsideTls && failure.reply.code < 500;
  return failure.kind === 'auth' && (failure.reply?.code === 421 || failure.reply?.code === 432);
}

/** To a message, because others are under way: some let sessions in and count when they are used. */
export function refusesMessageBesideOthers(failure: Failure): boolean {
  return failure.kind === 'refused' && isAboutSessions(failure.reply);
}

function isAboutSessions(reply: Reply): boolean {
  return reply.code === 432 || (replyClass(reply) === 4 && CROWDED.test(reply.lines.join(' ')));
}
