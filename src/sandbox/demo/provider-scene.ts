/**
 * The scene of the provider: Microsoft 365 refuses a password, and takes an access token that the relay gets by itself.
 */
import { microsoft365 } from '../provider/microsoft365.ts';
import { ProviderServer } from '../provider/provider-server.ts';
import { CLIENT_ID, CLIENT_SECRET, TokenService } from '../provider/token-service.ts';
import { field, judge, type SceneResult } from './judgement.ts';
import { replyLines } from './legacy-client.ts';
import { attemptWith, type Attempt, type Stage } from './stage.ts';

/** What the simulated tokens begin with: as long as a real one, too long for one command line. */
const TOKEN = `demo-token-${'0123456789abcdef'.repeat(60)}.`;

export async function withoutPasswords(stage: Stage, number: number): Promise<SceneResult> {
  const title = 'Microsoft 365, which takes no passwords';
  const { narrator, message, identity, credentials } = stage;
  narrator.section(`${number}  ${title}`);
  narrator.paragraph(
    'Microsoft ends passwords for programs that send mail; a scanner knows nothing else, or not even that. ' +
      'Here a simulation of its server says so. Then the relay is given a client of its own there, and logs in ' +
      'with access tokens. The scanner stays as it is.',
  );
  await using provider = await ProviderServer.start({
    profile: microsoft365({ passwords: 'retired' }),
    account: { user: message.from, password: credentials.password },
    identity,
  });
  await using tokens = await TokenService.start(
    identity,
    (token) => provider.account.tokens.add(token),
    TOKEN,
  );
  const variables = {
    SEALPOST_PROVIDER: 'microsoft365',
    SEALPOST_UPSTREAM: `smtp://localhost:${provider.port}`,
    SEALPOST_UPSTREAM_USER: message.from,
  };
  const refused = await attemptWith(stage, {
    ...variables,
    SEALPOST_UPSTREAM_PASSWORD: credentials.password,
  });
  const receivedEarlier = provider.messages.length;
  narrator.heading('With the password');
  narrator.dialog(refused.outcome.dialog);
  const delivered = await attemptWith(stage, {
    ...variables,
    SEALPOST_OAUTH_GRANT: 'client-credentials',
    SEALPOST_OAUTH_TOKEN_URL: tokens.url,
    SEALPOST_OAUTH_CLIENT_ID: CLIENT_ID,
    SEALPOST_OAUTH_CLIENT_SECRET: CLIENT_SECRET,
  });
  narrator.heading('With an access token');
  narrator.dialog(delivered.outcome.dialog);
  return judgeBoth(stage, title, { refused, delivered, receivedEarlier, provider, tokens });
}

interface Both {
  readonly refused: Attempt;
  readonly delivered: Attempt;
  /** Messages that came of the refused one. */
  readonly receivedEarlier: number;
  readonly provider: ProviderServer;
  readonly tokens: TokenService;
}

function judgeBoth(stage: Stage, title: string, both: Both): SceneResult {
  const { narrator, message, credentials } = stage;
  const { refused, delivered, receivedEarlier, provider, tokens } = both;
  narrator.heading("The relay's log");
  const renewed = delivered.log.find((line) => line['event'] === 'token.renewed');
  const secured = delivered.log.find((line) => line['event'] === 'hop.secured');
  narrator.fact('token from', field(renewed, 'host'));
  narrator.fact('mechanism', field(secured, 'mechanism'));
  const told = replyLines(refused.outcome.verdict).join(' ');
  const [arrival] = provider.messages;
  const log = JSON.stringify([refused.log, delivered.log]);
  return judge(stage, title, 'delivered with a token', [
    {
      text: 'With the password the scanner was refused with 454 4.7.0, and told what to do',
      holds: told.startsWith('454') && /5\.7\.30 .* OAuth/.test(told) && receivedEarlier === 0,
    },
    {
      text: 'With a token one message arrived, its header and body octet for octet',
      holds:
        delivered.outcome.isDelivered &&
        provider.messages.length === 1 &&
        arrival?.content.toString('latin1').endsWith(message.content) === true,
    },
    {
      text: 'The relay asked for one token, and logged in with XOAUTH2',
      holds: tokens.requests.length === 1 && field(secured, 'mechanism') === 'XOAUTH2',
    },
    {
      text: 'Password, client secret and token are in no line of its log',
      holds: ![credentials.password, CLIENT_SECRET, TOKEN].some((secret) => log.includes(secret)),
    },
  ]);
}
