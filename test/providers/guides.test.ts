/**
 * The guides to the providers, walked as they are written; only credentials, the tests' authority and, where there is
 * one, the place of the token service are put in.
 */
import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { microsoft365 } from '../../src/sandbox/provider/microsoft365.ts';
import type { Profile } from '../../src/sandbox/provider/profile.ts';
import { CLIENT_ID, CLIENT_SECRET, TokenService } from '../../src/sandbox/provider/token-service.ts';
import { readGuide } from '../support/guide.ts';
import { gmail } from '../support/providers/google.ts';
import { authority, PASSWORD, ProviderStage, whyNoStage } from '../support/providers/provider-stage.ts';
import { ses } from '../support/providers/senders.ts';
import type { Variables } from '../support/relay-process.ts';

/** What a user writes into the file that a variable of the guide names. */
function inFile(secret: string): string {
  const file = join(authority.directory, `guide-secret-${secret.length}`);
  writeFileSync(file, `${secret}\n`, { mode: 0o600 });
  return file;
}

/** The guide's variables; the blocks are those of one way through it. */
function variablesOf(
  name: string,
  blocks: readonly number[],
): { variables: Variables; user: string; sender: string } {
  const guide = readGuide(name);
  const variables = Object.fromEntries(blocks.flatMap((at) => Object.entries(guide.blocks[at] ?? {})));
  const user = variables['SEALPOST_UPSTREAM_USER'];
  assert.ok(user !== undefined, `${name}.md names no user`);
  return { variables, user, sender: guide.sender };
}

const skip = whyNoStage() ?? false;

describe('The guide', { timeout: 60_000, skip }, () => {
  for (const [name, profile] of [
    ['gmail', gmail()],
    ['amazon-ses', ses()],
  ] as const satisfies readonly (readonly [string, Profile])[]) {
    test(`${name}.md ends with a delivered message`, async () => {
      const { variables, user, sender } = variablesOf(name, [0, 1]);
      await using stage = await ProviderStage.start({
        profile,
        account: { user, password: PASSWORD, senders: [sender, '@example.com'] },
        variables: {
          ...variables,
          SEALPOST_UPSTREAM_PASSWORD: undefined,
          SEALPOST_UPSTREAM_PASSWORD_FILE: inFile(PASSWORD),
        },
      });
      const reply = await stage.send(sender);
      assert.equal(reply.code, 250, reply.raw);
      assert.equal(stage.simulation.messages.length, 1);
    });
  }

  test('microsoft-365.md ends with a delivered message, by the way of an application', async () => {
    const { variables, user, sender } = variablesOf('microsoft-365', [0, 2]);
    assert.equal(variables['SEALPOST_OAUTH_CLIENT_ID'], CLIENT_ID);
    const known: string[] = [];
    const identity = authority.issue();
    await using tokens = await TokenService.start(
      identity,
      (token) => known.push(token),
      'token-of-the-guide-',
    );
    await using stage = await ProviderStage.start({
      profile: microsoft365({ passwords: 'retired' }),
      account: { user, senders: [sender], tokens: ['token-of-the-guide-1'] },
      variables: {
        ...variables,
        SEALPOST_UPSTREAM_PASSWORD: undefined,
        SEALPOST_OAUTH_CLIENT_SECRET_FILE: inFile(CLIENT_SECRET),
        SEALPOST_OAUTH_TOKEN_URL: tokens.url,
      },
    });
    const reply = await stage.send(sender);
    assert.equal(reply.code, 250, reply.raw);
    assert.deepEqual(known, ['token-of-the-guide-1']);
  });
});
