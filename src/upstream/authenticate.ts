/**
 * AUTH inside TLS (RFC 4954): chooses a mechanism and speaks it to its end.
 */
import type { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { RelayError } from '../protocol/failure.ts';
import { enhancedCode, isRefusal, type Reply } from '../protocol/reply.ts';
import type { Channel } from './channel.ts';
import { login } from './sasl/login.ts';
import type { Mechanism } from './sasl/mechanism.ts';
import { plain } from './sasl/plain.ts';
import type { Credentials } from './target.ts';

/** RFC 5321 §4.5.3.1.4: a longer initial response waits for the server's prompt. */
const COMMAND_LINE_OCTETS = 512;

/** Rounds of challenge and response; no mechanism here needs more. */
const ROUNDS = 4;

/**
 * @param timeoutMs for each reply
 * @throws {RelayError} auth, or what the channel throws
 */
export async function authenticate(
  channel: Channel<'AUTH'>,
  capabilities: Capabilities,
  credentials: Credentials,
  timeoutMs: () => number,
): Promise<void> {
  const mechanism = chooseMechanism(capabilities, credentials);
  const secrets = [credentials.password.reveal(), mechanism.initialResponse ?? ''];
  let reply = await channel.send(authCommand(mechanism), 'auth', timeoutMs());
  // A server that asks although it got an initial response has not read it: its prompt is answered like any other.
  for (let round = 0; reply.code === 334 && round < ROUNDS; round += 1) {
    const response = mechanism.respond(reply.lines[0] ?? '') ?? '*'; // RFC 4954 §4: `*` cancels
    secrets.push(response);
    reply = await channel.send(CommandLine.authResponse(response), 'auth', timeoutMs());
  }
  if (reply.code === 235) return;
  if (!isRefusal(reply)) throw channel.desynchronised('auth', reply);
  throw new RelayError({
    kind: 'auth',
    phase: 'auth',
    reason: String(reply.code),
    reply: withoutEcho(reply, secrets),
  });
}

/** A piece of a secret of this length is as bad as the whole. */
const TELLING_CHARACTERS = 8;

/** Some servers repeat the line that they did not like, or a part: a text with a secret in it is dropped, its codes are kept. */
function withoutEcho(reply: Reply, secrets: readonly string[]): Reply {
  const text = reply.lines.join('\n').toLowerCase();
  const isEcho = secrets.some((secret) =>
    piecesOf(secret.toLowerCase()).some((piece) => text.includes(piece)),
  );
  return isEcho ? { code: reply.code, lines: [enhancedCode(reply) ?? ''] } : reply;
}

function piecesOf(secret: string): readonly string[] {
  if (secret.length <= TELLING_CHARACTERS) return secret === '' ? [] : [secret];
  const starts = Array.from({ length: secret.length - TELLING_CHARACTERS + 1 }, (_, index) => index);
  return starts.map((start) => secret.slice(start, start + TELLING_CHARACTERS));
}

/** PLAIN before LOGIN: one round trip instead of three. */
function chooseMechanism(capabilities: Capabilities, credentials: Credentials): Mechanism {
  const offered = capabilities.authMechanisms;
  if (offered.includes('PLAIN')) return plain(credentials);
  if (offered.includes('LOGIN')) return login(credentials);
  throw new RelayError({ kind: 'auth', phase: 'auth', reason: 'no-common-mechanism' });
}

function authCommand({ name, initialResponse }: Mechanism): CommandLine<'AUTH'> {
  const command = CommandLine.auth(name, initialResponse);
  return Buffer.byteLength(command.toWire()) > COMMAND_LINE_OCTETS ? CommandLine.auth(name) : command;
}
