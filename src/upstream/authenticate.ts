/**
 * AUTH inside TLS (RFC 4954): chooses a mechanism and speaks it to its end.
 *
 * Guarantees: one mechanism for one hop, whatever comes of it; a password is offered once, a token once more only where a
 * fresh one has taken its place; where a mechanism wants a proof of the server, its 235 is not believed without.
 */
import type { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { RelayError } from '../protocol/failure.ts';
import { isRefusal, type Reply } from '../protocol/reply.ts';
import type { Secret } from '../protocol/secret.ts';
import type { ChannelBinding } from '../tls/channel-binding.ts';
import type { Channel } from './channel.ts';
import { chooseMechanism, chooseTokenMechanism } from './sasl/choose.ts';
import { SaslError, type Mechanism, type MechanismName } from './sasl/mechanism.ts';
import { withoutEcho } from './sasl/without-echo.ts';
import type { Credentials } from './target.ts';

/**
 * RFC 5321 §4.5.3.1.4: a longer initial response waits for the server's prompt, as RFC 4954 §4 demands. Most access
 * tokens do: Dovecot takes no longer command line, Gmail none above 1,000 octets; their prompt is answered with 12,288.
 */
const COMMAND_LINE_OCTETS = 512;

/** Rounds of challenge and response; no mechanism here needs more. */
const ROUNDS = 4;

/** RFC 4954 §4: what gives an exchange up. */
const CANCEL = '*';

export interface AuthenticationOptions {
  /** For each reply, milliseconds. */
  readonly timeoutMs: () => number;
  /** Of the TLS session that the channel is in; undefined when it has none. */
  readonly binding: ChannelBinding | undefined;
}

/**
 * @returns the mechanism that was spoken; undefined where none was, because the client certificate is enough
 * @throws {RelayError} auth, or what the channel throws
 */
export async function authenticate(
  channel: Channel<'AUTH'>,
  capabilities: Capabilities,
  credentials: Credentials,
  { timeoutMs, binding }: AuthenticationOptions,
): Promise<MechanismName | undefined> {
  if (credentials.kind === 'token') return withToken(channel, capabilities, credentials, timeoutMs);
  const chosen = guarded(undefined, () => chooseMechanism(capabilities.authMechanisms, credentials, binding));
  if (chosen === 'certificate-alone') return undefined;
  if (chosen === undefined) throw noCommonMechanism();
  const secrets = credentials.kind === 'password' ? [credentials.password.reveal()] : [];
  return speak(channel, chosen, secrets, timeoutMs);
}

/**
 * Nobody is asked for a token that could not be said. One that is refused before its time may have been revoked: where
 * there is a fresh one, it is tried at once, so that no client hears of it.
 *
 * @throws {RelayError} auth, or what the channel throws
 */
async function withToken(
  channel: Channel<'AUTH'>,
  { authMechanisms }: Capabilities,
  credentials: Credentials & { readonly kind: 'token' },
  timeoutMs: () => number,
): Promise<MechanismName> {
  const make = chooseTokenMechanism(authMechanisms, credentials);
  if (make === undefined) throw noCommonMechanism();
  const { tokens } = credentials;
  const current = async (): Promise<Secret> =>
    tokens.accessToken(AbortSignal.timeout(Math.max(0, Math.floor(timeoutMs()))));
  const logIn = async (token: Secret): Promise<MechanismName> => {
    const mechanism = guarded(undefined, () => make(token));
    try {
      return await speak(channel, mechanism, [], timeoutMs);
    } catch (error) {
      if (isRefusedForGood(error)) tokens.refused(token);
      throw error;
    }
  };
  const token = await current();
  try {
    return await logIn(token);
  } catch (error) {
    const fresh = isRefusedForGood(error) ? await current() : token;
    if (fresh === token) throw error;
    return logIn(fresh);
  }
}

function isRefusedForGood(error: unknown): boolean {
  if (!(error instanceof RelayError) || error.failure.kind !== 'auth') return false;
  return (error.failure.reply?.code ?? 0) >= 500;
}

function noCommonMechanism(): RelayError {
  return new RelayError({ kind: 'auth', phase: 'auth', reason: 'no-common-mechanism' });
}

/**
 * One exchange from AUTH to its verdict.
 *
 * @param secrets that must not be shown of a refusal, beside what is sent
 */
async function speak(
  channel: Channel<'AUTH'>,
  mechanism: Mechanism,
  secrets: readonly string[],
  timeoutMs: () => number,
): Promise<MechanismName> {
  const sent: string[] = [];
  const reply = await converse(channel, mechanism, sent, timeoutMs);
  if (reply.code === 235) {
    guarded(mechanism, () => mechanism.conclude?.());
    return mechanism.name;
  }
  if (!isRefusal(reply)) throw channel.desynchronised('auth', reply);
  throw refusal(mechanism, reply, [...secrets, ...sent, ...(mechanism.proofs ?? [])]);
}

/** @param secrets what must not be shown of the answer */
function refusal(mechanism: Mechanism, reply: Reply, secrets: readonly string[]): RelayError {
  const { name, complaint = '' } = mechanism;
  const [detail = ''] = withoutEcho({ code: reply.code, lines: [complaint] }, secrets).lines;
  return new RelayError({
    kind: 'auth',
    phase: 'auth',
    reason: String(reply.code),
    reply: withoutEcho(reply, secrets),
    mechanism: name,
    ...(detail === '' ? {} : { detail }),
  });
}

/**
 * Speaks until the server has no more challenges.
 *
 * @param sent gets every response
 * @returns what came instead of a challenge
 */
async function converse(
  channel: Channel<'AUTH'>,
  mechanism: Mechanism,
  sent: string[],
  timeoutMs: () => number,
): Promise<Reply> {
  sent.push(mechanism.initialResponse ?? '');
  let reply = await channel.send(authCommand(mechanism), 'auth', timeoutMs());
  // A server that asks although it got an initial response has not read it: its prompt is answered like any other.
  for (let round = 0; reply.code === 334 && round < ROUNDS; round += 1) {
    const response = await answer(channel, mechanism, reply, timeoutMs);
    sent.push(response === CANCEL ? '' : response);
    reply = await channel.send(CommandLine.authResponse(response), 'auth', timeoutMs());
  }
  return reply;
}

/** @throws {RelayError} auth, after the exchange was cancelled, when the server broke the rules of the mechanism */
async function answer(
  channel: Channel<'AUTH'>,
  mechanism: Mechanism,
  challenge: Reply,
  timeoutMs: () => number,
): Promise<string> {
  try {
    return (await mechanism.respond(challenge.lines[0] ?? '')) ?? CANCEL;
  } catch (error) {
    if (!(error instanceof SaslError)) throw error;
    const cancelled = channel.send(CommandLine.authResponse(CANCEL), 'auth', timeoutMs());
    await cancelled.catch(() => undefined); // whatever comes of that, the exchange has failed already
    throw authFailure(error, mechanism);
  }
}

function guarded<T>(mechanism: Mechanism | undefined, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof SaslError ? authFailure(error, mechanism) : error;
  }
}

function authFailure(error: SaslError, mechanism: Mechanism | undefined): RelayError {
  const { reason, mechanism: name = mechanism?.name } = error;
  const which = name === undefined ? {} : { mechanism: name };
  return new RelayError({ kind: 'auth', phase: 'auth', reason, ...which }, { cause: error });
}

function authCommand({ name, initialResponse }: Mechanism): CommandLine<'AUTH'> {
  const command = CommandLine.auth(name, initialResponse);
  return Buffer.byteLength(command.toWire()) > COMMAND_LINE_OCTETS ? CommandLine.auth(name) : command;
}
