/**
 * Access tokens instead of passwords, at the two providers that will take nothing else one day.
 */
import { strict as assert } from 'node:assert';
import { describe, test } from 'node:test';

import { gmail } from '../support/providers/google.ts';
import { microsoft365 } from '../../src/sandbox/provider/microsoft365.ts';
import type { Profile } from '../../src/sandbox/provider/profile.ts';
import { authority, ProviderStage, USER, whyNoStage } from '../support/providers/provider-stage.ts';
import type { ProviderSimulation } from '../support/providers/provider-simulation.ts';
import { CLIENT_ID, CLIENT_SECRET, TokenService } from '../../src/sandbox/provider/token-service.ts';

/** As long as Microsoft's, longer than a command line may be. */
const PREFIX = `eyJ0eXAiOiJKV1Qi.${'canary'.repeat(300)}.`;

const cases: readonly (readonly [
  provider: string,
  profile: () => Profile,
  mechanism: string,
  scope: string,
])[] = [
  [
    'microsoft365:contoso.onmicrosoft.com',
    () => microsoft365({ passwords: 'retired' }),
    'XOAUTH2',
    'https://outlook.office365.com/.default',
  ],
  ['gmail', gmail, 'OAUTHBEARER', 'https://mail.google.com/'],
];

const skip = whyNoStage() ?? false;

describe('A token', { timeout: 60_000, skip }, () => {
  for (const [provider, profile, mechanism, scope] of cases) {
    test(`logs in at ${provider} with ${mechanism}, asked for the scope of the preset`, async () => {
      await using scene = await Scene.start(provider, profile());
      const reply = await scene.stage.send();
      assert.equal(reply.code, 250, reply.raw);
      const { simulation } = scene.stage;
      assert.deepEqual(
        simulation.sessions.flatMap(({ exchanges }) => exchanges.map((one) => one.mechanism)),
        [mechanism],
      );
      assert.deepEqual(
        scene.tokens.requests.map((form) => [form.get('grant_type'), form.get('scope')]),
        [['client_credentials', scope]],
      );
      assert.ok(!scene.stage.relay.output.includes('canary'));
    });
  }

  test('that Gmail refuses is answered for as RFC 7628 says, and the client gets 454', async () => {
    await using scene = await Scene.start('gmail', gmail(), ({ account }) => account.tokens.clear());
    const reply = await scene.stage.send();
    assert.equal(reply.code, 454, reply.raw);
    const [first] = scene.stage.simulation.sessions.flatMap(({ exchanges }) => exchanges);
    assert.equal(first?.answerToRefusal, 'AQ==');
    assert.match(reply.lines.at(-1) ?? '', /^4\.7\.0 Google refuses the token/);
    assert.ok(!reply.raw.includes('canary'));
    assert.ok(!scene.stage.relay.output.includes('canary'));
  });
});

/** A stage whose relay gets its tokens from a service of its own. */
class Scene implements AsyncDisposable {
  readonly stage: ProviderStage;
  readonly tokens: TokenService;

  private constructor(stage: ProviderStage, tokens: TokenService) {
    this.stage = stage;
    this.tokens = tokens;
  }

  /** @param onToken called when a token has been given out */
  static async start(
    provider: string,
    profile: Profile,
    onToken?: (simulation: ProviderSimulation) => void,
  ): Promise<Scene> {
    let simulation: ProviderSimulation | undefined;
    const known = (): ProviderSimulation => simulation ?? assert.fail('no simulation yet');
    const tokens = await TokenService.start(
      authority.issue(),
      (token) => {
        known().account.tokens.add(token);
        onToken?.(known());
      },
      PREFIX,
    );
    const stage = await ProviderStage.start({
      profile,
      variables: (made) => {
        simulation = made;
        return {
          SEALPOST_PROVIDER: provider,
          SEALPOST_UPSTREAM_USER: USER,
          SEALPOST_UPSTREAM_PASSWORD: undefined,
          SEALPOST_OAUTH_GRANT: 'client-credentials',
          SEALPOST_OAUTH_TOKEN_URL: tokens.url,
          SEALPOST_OAUTH_CLIENT_ID: CLIENT_ID,
          SEALPOST_OAUTH_CLIENT_SECRET: CLIENT_SECRET,
          SEALPOST_LOG_LEVEL: 'debug',
        };
      },
    });
    return new Scene(stage, tokens);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    await this.tokens[Symbol.asyncDispose]();
  }
}
