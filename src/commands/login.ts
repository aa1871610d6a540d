/**
 * `sealpost login`: logs in at the upstream's provider once, so that the relay can ask for tokens from then on.
 */
import { parseArgs } from 'node:util';

import { loadSettings, type Settings } from '../config/settings.ts';
import { forgetForeignTrust } from '../config/environment.ts';
import type { OAuthAccount } from '../oauth/account.ts';
import { browserLogin } from '../oauth/browser-login.ts';
import { deviceLogin, type DevicePrompt } from '../oauth/device-login.ts';
import { LoginError } from '../oauth/login-error.ts';
import { LoginStore, seedOf } from '../oauth/login-store.ts';
import { TokenEndpoint } from '../oauth/token-endpoint.ts';
import { TokenError } from '../oauth/token-error.ts';
import type { Secret } from '../protocol/secret.ts';
import { authSentence } from '../relay/auth-sentence.ts';
import { httpsFetch } from '../tls/https-fetch.ts';
import { Trust } from '../tls/trust.ts';
import { EXIT, printProblems } from './exit.ts';
import { isUsageError } from './usage-error.ts';

const USAGE = `Usage: sealpost login [--browser]

Logs in at the provider of the upstream, once, for SEALPOST_OAUTH_GRANT=refresh-token. All
variables count as for serve. What the provider gives is kept in SEALPOST_STATE_DIR, readable
by its owner only; the relay uses it and renews it from then on.

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
    const { values } = parseArgs({
      args: [...args],
      options: {
        browser: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      out.write(USAGE);
      return EXIT.ok;
    }
    const loaded = loadSettings();
    return 'problems' in loaded
      ? printProblems(loaded.problems)
      : await logIn(loaded.settings, values.browser ? 'browser' : 'device', out);
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

async function logIn(settings: Settings, way: Way, out: NodeJS.WritableStream): Promise<number> {
  const account = accountOf(settings);
  if (account?.grant.kind !== 'refresh-token') {
    const text = 'should be refresh-token: the others need nobody to log in';
    return printProblems([{ variable: 'SEALPOST_OAUTH_GRANT', text }]);
  }
  const { deviceUrl, authorizationUrl } = account.endpoints;
  if ((way === 'browser' ? authorizationUrl : deviceUrl) === undefined) {
    const other = way === 'browser' ? 'without --browser' : 'with --browser';
    return printProblems([{ variable: NEEDED[way], text: `is required to log in; or log in ${other}` }]);
  }
  const { seed } = account.grant;
  const store = new LoginStore(account);
  try {
    const refreshToken = await refreshTokenFor(settings, account, way, out);
    const kept = { refreshToken, seed: seed === undefined ? undefined : seedOf(seed) };
    await store.exclusively(AbortSignal.timeout(60_000), async () => store.write(kept));
  } catch (error) {
    const text = explanation(error);
    if (text === undefined) throw error;
    process.stderr.write(`sealpost login: ${text}\n`);
    return EXIT.unavailable;
  }
  out.write(`
Logged in. It is kept in ${store.file}, readable by its owner only.
A relay that is running takes it up with the next message; else start it: sealpost serve
To see that it works: sealpost check
`);
  return EXIT.ok;
}

function accountOf({ destinations }: Settings): OAuthAccount | undefined {
  for (const { credentials } of destinations) if (credentials?.kind === 'token') return credentials.account;
  return undefined;
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
