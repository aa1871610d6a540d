/**
 * Gmail: 465 and 587, passwords and tokens, the challenge that says that a token is refused, replies of several lines, and
 * a From that is rewritten to the account's own.
 */
import { PLAIN_WORDS, type Profile, type Submission } from '../../../src/sandbox/provider/profile.ts';
import type { ServerMechanism } from '../../../src/sandbox/provider/sasl-server.ts';

export interface GmailOptions {
  /** Messages a day. */
  readonly dailyMessages?: number;
  /** Whether accounts want an app password, and the one given is another: 534 instead of 535. */
  readonly wantsAppPassword?: boolean;
}

const ID = '5b1f17b1804b1-47799768409sm12345678f8f.12 - gsmtp';
const SCOPE = 'https://mail.google.com/';

export function gmail({ dailyMessages = 500, wantsAppPassword = false }: GmailOptions = {}): Profile {
  let today = 0;
  return {
    title: 'Gmail',
    hosts: ['smtp.gmail.com'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: `220 smtp.gmail.com ESMTP ${ID}`,
    ehlo: ({ isSecure }) => [
      'smtp.gmail.com at your service, [127.0.0.1]',
      'SIZE 35882577',
      '8BITMIME',
      isSecure ? 'AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH' : 'STARTTLS',
      'ENHANCEDSTATUSCODES',
      'PIPELINING',
      'CHUNKING',
      'SMTPUTF8',
    ],
    words: {
      ...PLAIN_WORDS,
      authenticated: '235 2.7.0 Accepted',
      sender: () => `250 2.1.0 OK ${ID}`,
      recipient: () => `250 2.1.5 OK ${ID}`,
      data: `354 Go ahead ${ID}`,
      queued: (id) => `250 2.0.0 OK  1763805600 ${id} ${ID}`,
      reset: `250 2.1.5 Flushed ${ID}`,
      bye: `221 2.0.0 closing connection ${ID}`,
      unknownCommand: `502-5.5.1 Unrecognized command. For more information, go to\n502 5.5.1  https://support.google.com/a/answer/3221692 ${ID}`,
      unknownParameter: `555-5.5.2 Syntax error, goodbye. For more information, go to\n555 5.5.2  https://support.google.com/a/answer/3221692 ${ID}`,
      tooManyRecipients: `452-4.5.3 Your message has too many recipients. For more information regarding\n452-4.5.3 Google's sending limits, please visit:\n452 4.5.3  https://support.google.com/mail/?p=TooManyRecipientsError ${ID}`,
    },
    limits: { size: 35_882_577, recipients: 100 },
    mechanisms: ['LOGIN', 'PLAIN', 'XOAUTH2', 'OAUTHBEARER'],
    authInClear: `530-5.7.0 Must issue a STARTTLS command first. For more information, go to\n530 5.7.0  https://support.google.com/a/answer/3221692 ${ID}`,
    needsLogin: `530-5.7.0 Authentication Required. For more information, go to\n530 5.7.0  https://support.google.com/mail/?p=WantAuthError ${ID}`,
    badCredentials: (mechanism) =>
      wantsAppPassword && !isBearer(mechanism)
        ? `534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor ${ID}`
        : `535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials ${ID}`,
    tokenChallenge: (mechanism) =>
      JSON.stringify(
        mechanism === 'XOAUTH2'
          ? { status: '400', schemes: 'Bearer', scope: SCOPE }
          : { status: 'invalid_request', scope: SCOPE },
      ),
    ehloAfterAuth: 'keeps-login',
    refuseMail: () => {
      today += 1;
      return today > dailyMessages
        ? `550-5.4.5 Daily user sending limit exceeded. For more information on Gmail\n550-5.4.5 sending limits go to\n550 5.4.5  https://support.google.com/a/answer/166852 ${ID}`
        : undefined;
    },
    rewrite: withOwnFrom,
  };
}

function isBearer(mechanism: ServerMechanism): boolean {
  return mechanism === 'XOAUTH2' || mechanism === 'OAUTHBEARER';
}

/** A From that is not the account's own is not refused: the message goes out under the account's. */
function withOwnFrom({ account, headerFrom, content }: Submission): Buffer {
  if (account === undefined || headerFrom === '' || account.owns(headerFrom)) return content;
  const text = content
    .toString('latin1')
    .replace(
      /^From:(?:[^\r\n]|\r\n[ \t])*/im,
      (field) => `From: <${account.user}>\r\nX-Google-Original-${field}`,
    );
  return Buffer.from(text, 'latin1');
}
