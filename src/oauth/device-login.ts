/**
 * Logging in with the device authorization flow (RFC 8628): the person uses a browser on any machine.
 */
import { setTimeout as delay } from 'node:timers/promises';

import {
  deviceAuthorizationRequest,
  deviceCodeGrantRequest,
  processDeviceAuthorizationResponse,
  processDeviceCodeResponse,
  ResponseBodyError,
} from 'oauth4webapi';

import { printable } from '../protocol/printable.ts';
import { Secret } from '../protocol/secret.ts';
import { LoginError, refreshTokenOf } from './login-error.ts';
import { asTokenError } from './refusal.ts';
import { tokenReply, type Speaker, type TokenEndpoint } from './token-endpoint.ts';
import { TokenError } from './token-error.ts';

/** What the person has to do. */
export interface DevicePrompt {
  readonly url: string;
  readonly code: string;
  /** With the code in it, where the provider gives one. */
  readonly completeUrl: string | undefined;
  readonly minutes: number;
}

/** RFC 8628 §3.5. */
const DEFAULT_INTERVAL_S = 5;
const SLOWER_S = 5;

/** No provider lets a code live longer. */
const LONGEST_S = 3_600;

/** Questions one after the other that may stay without an answer: somebody is at a browser meanwhile. */
const MOST_MISSED = 4;

/**
 * @param tell is called once, with what to do
 * @param signal ends the waiting
 * @returns the refresh token
 * @throws {TokenError | LoginError}
 */
export async function deviceLogin(
  endpoint: TokenEndpoint,
  scope: string,
  tell: (prompt: DevicePrompt) => void,
  signal: AbortSignal,
): Promise<Secret> {
  try {
    const speaker = endpoint.speaker(signal);
    const { server, client, auth, options } = speaker;
    const parameters = scope === '' ? {} : { scope };
    const response = await deviceAuthorizationRequest(server, client, auth, parameters, options);
    const given = await processDeviceAuthorizationResponse(server, client, response);
    const seconds = Math.min(given.expires_in, LONGEST_S);
    tell({
      url: printable(given.verification_uri),
      code: printable(given.user_code, 100),
      completeUrl:
        given.verification_uri_complete === undefined
          ? undefined
          : printable(given.verification_uri_complete),
      minutes: Math.max(1, Math.floor(seconds / 60)),
    });
    const code = new Secret(given.device_code);
    return await poll(speaker, code, { intervalS: given.interval ?? DEFAULT_INTERVAL_S, seconds, signal });
  } catch (error) {
    throw endpoint.failure(error);
  }
}

interface Pace {
  readonly intervalS: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

async function poll(
  { server, client, auth, options }: Speaker,
  code: Secret,
  { intervalS, seconds, signal }: Pace,
): Promise<Secret> {
  const end = performance.now() + seconds * 1_000;
  let waitS = intervalS;
  let missed = 0;
  for (;;) {
    const [waitMs, restMs] = [waitS * 1_000, end - performance.now()];
    await delay(Math.max(0, Math.min(waitMs, restMs)), undefined, { signal });
    // Not by the clock: a timer may be a moment early.
    if (waitMs >= restMs) throw new LoginError('expired');
    try {
      const response = await deviceCodeGrantRequest(server, client, auth, code.reveal(), options);
      return refreshTokenOf(tokenReply(await processDeviceCodeResponse(server, client, response)));
    } catch (error) {
      missed = isMissing(error) ? missed + 1 : 0;
      if (missed === MOST_MISSED) throw error;
      // RFC 8628 §3.5: back off exponentially when there is no answer.
      waitS = missed > 0 ? waitS * 2 : nextWait(error, waitS);
    }
  }
}

/** Whether no answer came, or none of RFC 6749. */
function isMissing(error: unknown): boolean {
  const meaning = asTokenError(error, []);
  if (!(meaning instanceof TokenError)) return false;
  return meaning.reason === 'token-endpoint-unreachable' || meaning.reason === 'token-endpoint-failed';
}

/** @returns seconds until the next question @throws the error, or what it means, when there is none */
function nextWait(error: unknown, waitS: number): number {
  if (!(error instanceof ResponseBodyError)) throw error;
  switch (error.error) {
    case 'authorization_pending':
      return waitS;
    case 'slow_down':
      return waitS + SLOWER_S;
    case 'expired_token':
      throw new LoginError('expired');
    case 'access_denied':
      throw new LoginError('denied');
    default:
      throw error;
  }
}
