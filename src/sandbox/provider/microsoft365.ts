/**
 * Microsoft 365, SMTP AUTH client submission: LOGIN and XOAUTH2 on 587 alone, three sessions that send at once, thirty
 * messages a minute, twenty minutes a session.
 *
 * The words are those of many users' reports; the identifiers in brackets are made up.
 */
import { PLAIN_WORDS, type Profile, type Submission, type Words } from './profile.ts';
import type { ServerMechanism } from './sasl-server.ts';

export interface Microsoft365Options {
  /**
   * What the organisation lets passwords do. `tenant-off`: SMTP AUTH is switched off; `disabled`: basic authentication is;
   * `retired`: it is gone for good, which some servers say at AUTH and some at MAIL.
   */
  readonly passwords?: 'on' | 'tenant-off' | 'disabled' | 'retired' | 'retired-at-mail';
  /** The minute that messages are counted in, milliseconds. */
  readonly minuteMs?: number;
  readonly messagesPerMinute?: number;
  /** How long a session may last, milliseconds. */
  readonly sessionMs?: number;
  readonly connections?: number;
  /** Recipients a day. */
  readonly recipientsPerDay?: number;
}

const SERVER = 'AM0PR01CA0075.eurprd01.prod.exchangelabs.com';
const AT = `[${SERVER} 2026-11-22T10:00:00.000Z 08DE29B1A2B3C4D5]`;
const RETIRED = `550 5.7.30 Basic authentication is not supported for Client Submission. ${AT}`;
const TOO_MANY = `432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=${SERVER}]`;
const QUOTA =
  '554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message cannot be submitted because the sender has reached the submission quota.';

const WORDS: Words = {
  ...PLAIN_WORDS,
  startTls: '220 2.0.0 SMTP server ready',
  sender: () => '250 2.1.0 Sender OK',
  recipient: () => '250 2.1.5 Recipient OK',
  data: '354 Start mail input; end with <CRLF>.<CRLF>',
  queued: (id) => `250 2.0.0 OK <${id}@${SERVER}> [Hostname=${SERVER}]`,
  reset: '250 2.0.0 Resetting',
  noop: '250 2.0.0 OK',
  bye: '221 2.0.0 Service closing transmission channel',
  unknownCommand: '500 5.3.3 Unrecognized command',
};

export function microsoft365(options: Microsoft365Options = {}): Profile {
  const {
    passwords = 'on',
    minuteMs = 60_000,
    messagesPerMinute = 30,
    sessionMs = 1_200_000,
    connections = 3,
    recipientsPerDay = 10_000,
  } = options;
  let recipientsToday = 0;
  const byPassword = new WeakSet<object>();
  return {
    title: 'Microsoft 365',
    hosts: ['smtp.office365.com'],
    ports: { 587: 'starttls' },
    greeting: `220 ${SERVER} Microsoft ESMTP MAIL Service ready at Sun, 22 Nov 2026 10:00:00 +0000 [08DE29B1A2B3C4D5]`,
    ehlo: ({ isSecure }) => [
      `${SERVER} Hello [127.0.0.1]`,
      'SIZE 157286400',
      'PIPELINING',
      'DSN',
      'ENHANCEDSTATUSCODES',
      isSecure ? 'AUTH LOGIN XOAUTH2' : 'STARTTLS',
      '8BITMIME',
      'BINARYMIME',
      'CHUNKING',
      'SMTPUTF8',
    ],
    words: WORDS,
    limits: {
      size: 157_286_400,
      recipients: 500,
      session: { ms: sessionMs, reply: sessionOver },
    },
    mechanisms: ['LOGIN', 'XOAUTH2'],
    authInClear: '504 5.7.4 Unrecognized authentication type',
    needsLogin: `530 5.7.57 Client not authenticated to send mail. ${AT}`,
    badCredentials: () => `535 5.7.3 Authentication unsuccessful ${AT}`,
    refuseLogin: (mechanism, account) => {
      if (mechanism === 'LOGIN') byPassword.add(account);
      else byPassword.delete(account);
      return refusedPassword(mechanism, passwords);
    },
    ehloAfterAuth: 'keeps-login',
    refuseMail: (_, { account }) =>
      passwords === 'retired-at-mail' && account !== undefined && byPassword.has(account)
        ? RETIRED
        : undefined,
    refuseMessage: async (submission) => {
      const { account, session, recipients } = submission;
      if (account?.isAmongFirst(session, connections) === false) return TOO_MANY;
      const denied = sendAsDenied(submission);
      if (denied !== undefined) return denied;
      recipientsToday += recipients.length;
      if (recipientsToday > recipientsPerDay) return QUOTA;
      await account?.throttle(messagesPerMinute, minuteMs);
      return undefined;
    },
  };
}

function refusedPassword(
  mechanism: ServerMechanism,
  passwords: Microsoft365Options['passwords'],
): string | undefined {
  if (mechanism !== 'LOGIN') return undefined;
  switch (passwords) {
    case undefined:
    case 'on':
    case 'retired-at-mail':
      return undefined;
    case 'tenant-off':
      return `535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. ${AT}`;
    case 'disabled':
      return `535 5.7.139 Authentication unsuccessful, basic authentication is disabled. ${AT}`;
    case 'retired':
      return RETIRED;
  }
}

/** Both the envelope and the header count. */
function sendAsDenied({ account, sender, headerFrom }: Submission): string | undefined {
  const foreign = [sender, headerFrom].find((one) => one !== '' && account?.owns(one) === false);
  if (foreign === undefined) return undefined;
  return `554 5.2.252 SendAsDenied; ${account?.user ?? ''} not allowed to send as ${foreign}; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message [BeginDiagnosticData]Cannot submit message. 0.35250:1F009983, 1.36674:0A000000[EndDiagnosticData] [Hostname=${SERVER}]`;
}

function sessionOver(ms: number): string {
  const seconds = (ms / 1_000).toFixed(7).padStart(10, '0');
  return `421 4.4.1 Connection timed out. Total session duration: 00:00:${seconds} ${AT}`;
}
