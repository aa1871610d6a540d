/**
 * `sealpost login`: logs in at the upstream's provider once, so that the relay can ask for tokens from then on.
 */
import { parseArgs } from 'node:util';

import { forgetForeignTrust } from '../config/environment.ts';
import { loadSettings, type Settings } from '../config/settings.ts';
import type { Destination } from '../config/targets.ts';
import type { OAuthAccount } from '../oauth/account.ts';
import { browserLogin } from '../oauth/browser-login.ts';
import { deviceLogin, type DevicePrompt } from '../oauth/device-login.ts';
import { LoginError } from '../oauth/login-error.ts';
import { LoginStore, seedOf } from '../oauth/login-store.ts';
import { TokenEndpoint } from '../oauth/token-endpoint.ts';
import { TokenError } from '../oauth/token-error.ts';
import type { Secret } from '../protocol/secret.ts';
import { authSentence } from '../relay/auth-sentence.ts';
import { inWordsOf } from '../relay/upstream-words.ts';
import { httpsFetch } from '../tls/https-fetch.ts';
import { Trust } from '../tls/trust.ts';
import { EXIT, printProblems } from './exit.ts';
import { isUsageError, UsageError } from './usage-error.ts';

export const USAGE = `Usage: sealpost login [--browser] [NAME]

Logs in at the provider of the upstream, once, for SEALPOST_OAUTH_GRANT=refresh-token; with
NAME, for SEALPOST_UPSTREAM_<NAME>_OAUTH_GRANT. All variables count as for serve. What the
provider gives is kept in SEALPOST_STATE_DIR, readable by its owner only; the relay uses it and
renews it from then on.

(nothing)  shows a code to enter in a browser on any machine (SEALPOST_OAUTH_DEVICE_URL)
--browser  shows a page to open in a browser on this machine (SEALPOST_OAUTH_AUTHORIZATION_URL);
           the provider must know http://127.0.0.1 as a redirect URI of the client

Exit code
   0  logged in
  64  this command line cannot be understood
  69  not logged in
  78  a variable is wrong or missing
`;

/** For somebody who is looking for a second factor. */
const BROWSER_MS = 15 * 60_000;

/** @returns the exit code: 0, 64, 69, 78 */
export async function login(args: readonly string[], out: NodeJS.WritableStream): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        browser: { type: 'boolean', default: false },
      },
    });
    const [name, ...others] = positionals;
    if (others.length > 0) throw new UsageError('one upstream at a time');
    const loaded = loadSettings();
    if ('problems' in loaded) return printProblems(loaded.problems);
    const upstream = upstreamNamed(name?.toUpperCase(), loaded.settings);
    return await logIn(loaded.settings, upstream, values.browser ? 'browser' : 'device', out);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    process.stderr.write(`sealpost login: ${error.message}\n\n${USAGE}`);
    return EXIT.usage;
  }
}

type Way = 'browser' | 'device';

const NEEDED = {
  browser: 'SEALPOST_OAUTH_AUTHORIZATION_URL',
  device: 'SEALPOST_OAUTH_DEVICE_URL',
} as const;

/** One of those that are configured; the name is undefined for the one without. */
interface Upstream {
  readonly name: string | undefined;
  readonly destinations: readonly Destination[];
}

/** @throws {UsageError} */
function upstreamNamed(name: string | undefined, { destinations, namedUpstreams }: Settings): Upstream {
  if (name === undefined) return { name, destinations };
  const found = namedUpstreams.find((one) => one.name === name);
  if (found !== undefined) return found;
  const known = namedUpstreams.map((one) => one.name).join(', ');
  throw new UsageError(`no such upstream; those with a name are: ${known === '' ? 'none' : known}`);
}

async function logIn(
  settings: Settings,
  { name, destinations }: Upstream,
  way: Way,
  out: NodeJS.WritableStream,
): Promise<number> {
  const problem = (variable: string, text: string): number =>
    printProblems([{ variable: inWordsOf(name, variable), text }]);
  const account = accountOf(destinations);
  if (account?.grant.kind !== 'refresh-token') {
    const others = name === undefined ? namesWithLogin(settings) : [];
    const hint = others.length === 0 ? '' : `; or name an upstream: sealpost login ${others.join(' or ')}`;
    return problem(
      'SEALPOST_OAUTH_GRANT',
      `should be refresh-token: the others need nobody to log in${hint}`,
    );
  }
  const { deviceUrl, authorizationUrl } = account.endpoints;
  if ((way === 'browser' ? authorizationUrl : deviceUrl) === undefined) {
    const other = way === 'browser' ? 'without --browser' : 'with --browser';
    return problem(NEEDED[way], `is required to log in; or log in ${other}`);
  }
  const store = new LoginStore(account);
  try {
    await logInAndKeep(settings, account, store, way, out);
  } catch (error) {
    const text = explanation(error);
    if (text === undefined) throw error;
    process.stderr.write(`sealpost login: ${inWordsOf(name, text)}\n`);
    return EXIT.unavailable;
  }
  out.write(`
Logged in. It is kept in ${store.file}, readable by its owner only.
A relay that is running takes it up with the next message; else start it: sealpost serve
To see that it works: sealpost check${name === undefined ? '' : ` ${name}`}
`);
  return EXIT.ok;
}

/** Nobody is asked to log in for something that could not be kept. */
async function logInAndKeep(
  settings: Settings,
  account: OAuthAccount,
  store: LoginStore,
  way: Way,
  out: NodeJS.WritableStream,
): Promise<void> {
  await store.mustBeWritable();
  const refreshToken = await refreshTokenFor(settings, account, way, out);
  const seed = account.grant.kind === 'refresh-token' ? account.grant.seed : undefined;
  const kept = { refreshToken, seed: seed === undefined ? undefined : seedOf(seed) };
  await store.exclusively(AbortSignal.timeout(60_000), async () => store.write(kept));
}

function accountOf(destinations: readonly Destination[]): OAuthAccount | undefined {
  for (const { credentials } of destinations) if (credentials?.kind === 'token') return credentials.account;
  return undefined;
}

function namesWithLogin({ namedUpstreams }: Settings): readonly string[] {
  const withLogin = namedUpstreams.filter(
    ({ destinations }) => accountOf(destinations)?.grant.kind === 'refresh-token',
  );
  return withLogin.map(({ name }) => name);
}

async function refreshTokenFor(
  settings: Settings,
  account: OAuthAccount,
  way: Way,
  out: NodeJS.WritableStream,
): Promise<Secret> {
  forgetForeignTrust();
  const endpoint = new TokenEndpoint(account, httpsFetch(new Trust(settings.trust).anonymous));
  const { endpoints, user, clientId } = account;
  const { scope, authorizationUrl } = endpoints;
  if (way === 'browser' && authorizationUrl !== undefined) {
    const signal = AbortSignal.timeout(BROWSER_MS);
    const wanted = { authorizationUrl, scope, user, clientId };
    return browserLogin(endpoint, wanted, (url) => out.write(browserText(url, user)), signal);
  }
  const { signal } = new AbortController(); // the code's own time ends it
  return deviceLogin(endpoint, scope, (prompt) => out.write(deviceText(prompt, user)), signal);
}

function deviceText({ url, code, completeUrl, minutes }: DevicePrompt, user: string): string {
  const direct =
    completeUrl === undefined ? '' : `\nOr open this page, which has the code in it:\n\n    ${completeUrl}\n`;
  return `Open this page in a browser, on any machine:

    ${url}

and enter this code:

    ${code}
${direct}
Log in there as ${user} and allow it. The code counts for ${minutes} minutes.
Waiting…
`;
}

function browserText(url: string, user: string): string {
  return `Open this page in a browser on this machine:

    ${url}

Log in there as ${user} and allow it.
Waiting…
`;
}

/** @returns undefined for a mistake of ours */
function explanation(error: unknown): string | undefined {
  if (error instanceof TokenError) {
    const { reason, detail } = error;
    return authSentence({ kind: 'auth', phase: 'auth', reason, detail });
  }
  if (!(error instanceof LoginError)) return undefined;
  switch (error.reason) {
    case 'expired':
      return 'nobody logged in in time; run it again';
    case 'denied':
      return 'the login was refused in the browser; run it again';
    case 'refused':
      return `the provider refused it (${error.detail}); check SEALPOST_OAUTH_CLIENT_ID and SEALPOST_OAUTH_SCOPE`;
    case 'no-refresh-token':
      return 'the provider gave nothing that lasts; add what it needs for that to SEALPOST_OAUTH_SCOPE, such as offline_access (Google: access_type=offline in SEALPOST_OAUTH_AUTHORIZATION_URL)';
  }
}
