/**
 * Mailboxes of people that programs send from: Yahoo, iCloud, Zoho, Fastmail, OVH, Proton Bridge.
 */
import { PLAIN_WORDS, type Profile, type Submission } from '../../../src/sandbox/provider/profile.ts';
import { GO_WORDS } from './words-of-go.ts';

/** A line `8 BITMIME`, with a blank; too many bad logins lock the account. */
export function yahoo(): Profile {
  return {
    title: 'Yahoo',
    hosts: ['smtp.mail.yahoo.com'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 smtp.mail.yahoo.com ESMTP ready',
    ehlo: ({ isSecure, helo = '' }) => [
      `hermes--production-ir2-5c4b8d9f7b-abcde Hello ${helo} [127.0.0.1])`,
      'PIPELINING',
      'SIZE 41697280',
      '8 BITMIME',
      isSecure ? 'AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER' : 'STARTTLS',
    ],
    words: {
      ...PLAIN_WORDS,
      startTls: '220 Start TLS',
      authenticated: '235 2.0.0 OK',
      sender: (path) => `250 OK , sender ${path}`,
      recipient: () => '250 OK , completed',
      data: '354 Ok Send data ending with <CRLF>.<CRLF>',
      queued: (id) => `250 OK , completed ${id}`,
      bye: '221 Service Closing transmission',
    },
    limits: { size: 41_697_280, recipients: 100 },
    mechanisms: ['PLAIN', 'LOGIN', 'XOAUTH2', 'OAUTHBEARER'],
    authInClear: '530 5.7.1 Authentication required',
    needsLogin: '530 5.7.1 Authentication required',
    badCredentials: (_, account) =>
      (account?.failures ?? 0) > 3
        ? '535 5.7.0 (#AUTH005) Too many bad auth attempts.'
        : '535 5.7.0 (#AUTH012) Incorrect username or password.',
    refuseLogin: (_, { failures }) =>
      failures > 3 ? '535 5.7.0 (#AUTH005) Too many bad auth attempts.' : undefined,
    ehloAfterAuth: 'keeps-login',
    refuseMessage: ({ account, headerFrom }) =>
      headerFrom !== '' && account?.owns(headerFrom) === false
        ? '553 From: address not verified; see https://help.yahoo.com/kb/SLN3535.html'
        : undefined,
  };
}

/** 587 alone; an app-specific password; own addresses only. */
export function icloud(): Profile {
  return {
    title: 'iCloud',
    hosts: ['smtp.mail.me.com'],
    ports: { 587: 'starttls' },
    greeting:
      '220 iCloud iscream SMTP proxy - p00-icloudmta-asmtp-us-west-3a-100-percent-0 3.5.0 (2403B23-529c1e05a5df)',
    ehlo: ({ isSecure }) => [
      'p00-icloudmta-asmtp-us-west-3a-100-percent-0',
      'PIPELINING',
      'SIZE 28311552',
      isSecure ? 'AUTH LOGIN PLAIN ATOKEN WSTOKEN' : 'STARTTLS',
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
    ],
    words: PLAIN_WORDS,
    limits: { size: 28_311_552, recipients: 500 },
    mechanisms: ['LOGIN', 'PLAIN'],
    authInClear: '530 5.7.0 Must issue a STARTTLS command first',
    needsLogin: '530 5.7.0 Authentication required',
    badCredentials: () => '535 5.7.8 Error: authentication failed: authentication failure',
    ehloAfterAuth: 'keeps-login',
    refuseMail: (sender, { account }) =>
      sender !== '' && account?.owns(sender) === false
        ? '550 5.7.0 From address is not one of your addresses'
        : undefined,
  };
}

/** No enhanced codes, no PIPELINING; a From that is not the account's is refused at the end. */
export function zoho(): Profile {
  return {
    title: 'Zoho',
    hosts: ['smtp.zoho.com', 'smtp.zoho.eu'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 mx.zohomail.com SMTP Server ready November 22, 2026 2:00:00 AM PST',
    ehlo: ({ isSecure, helo = '' }) => [
      `mx.zohomail.com Hello ${helo} (127.0.0.1 (127.0.0.1))`,
      isSecure ? 'AUTH LOGIN PLAIN' : 'STARTTLS',
      'SIZE 53477376',
    ],
    words: {
      ...PLAIN_WORDS,
      startTls: '220 Ready to start TLS.',
      authenticated: '235 Authentication Successful',
      sender: (path) => `250 Sender <${path}> OK`,
      recipient: (path) => `250 Recipient <${path}> OK`,
      data: '354 Ok Send data ending with <CRLF>.<CRLF>',
      queued: (id) => `250 Message received ${id}`,
      reset: '250 OK',
      noop: '250 OK',
      bye: '221 mx.zohomail.com closing connection',
      unknownParameter: '555 Unsupported option',
      wrongOrder: '503 Bad sequence of commands',
      tooBig: '552 Message size exceeds fixed limit',
    },
    limits: { size: 53_477_376 },
    mechanisms: ['LOGIN', 'PLAIN'],
    authInClear: '530 Must issue a STARTTLS command first.',
    needsLogin: '530 5.5.1 Authentication Required.',
    badCredentials: () => '535 Authentication Failed',
    ehloAfterAuth: 'keeps-login',
    refuseMessage: (submission) =>
      isRelaying(submission) ? `553 Relaying disallowed as ${submission.headerFrom}` : undefined,
  };
}

export function fastmail(): Profile {
  return {
    title: 'Fastmail',
    hosts: ['smtp.fastmail.com'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 smtp.fastmail.com ESMTP ready',
    ehlo: ({ isSecure }) => [
      'smtp.fastmail.com',
      'PIPELINING',
      'SIZE 71000000',
      isSecure ? 'AUTH PLAIN LOGIN OAUTHBEARER' : 'STARTTLS',
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'SMTPUTF8',
      'CHUNKING',
    ],
    words: PLAIN_WORDS,
    limits: { size: 71_000_000 },
    mechanisms: ['PLAIN', 'LOGIN', 'OAUTHBEARER'],
    authInClear: '530 5.7.0 Must issue a STARTTLS command first',
    needsLogin: '530 5.7.0 Authentication required',
    badCredentials: () => '535 5.7.0 Incorrect username or password.',
    tokenChallenge: () => JSON.stringify({ status: 'invalid_token' }),
    ehloAfterAuth: 'keeps-login',
  };
}

/** The AUTH line comes twice, once in the old form. */
export function ovh(): Profile {
  return {
    title: 'OVH',
    hosts: ['ssl0.ovh.net'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 ssl0.ovh.net player771 ESMTP',
    ehlo: ({ isSecure }) => [
      'ssl0.ovh.net',
      'PIPELINING',
      'SIZE 104857600',
      'ETRN',
      ...(isSecure ? ['AUTH LOGIN PLAIN', 'AUTH=LOGIN PLAIN'] : ['STARTTLS']),
      'ENHANCEDSTATUSCODES',
      '8BITMIME',
      'DSN',
    ],
    words: PLAIN_WORDS,
    limits: { size: 104_857_600 },
    mechanisms: ['LOGIN', 'PLAIN'],
    authInClear: '530 5.7.0 Must issue a STARTTLS command first',
    needsLogin: '530 5.7.0 Authentication required',
    badCredentials: () => '535 5.7.8 Error: authentication failed: authentication failure',
    ehloAfterAuth: 'keeps-login',
  };
}

/** On this machine, on any port; its certificate signs itself, for 127.0.0.1 alone; EHLO after AUTH drops the login. */
export function protonBridge(): Profile {
  return {
    title: 'Proton Bridge',
    hosts: ['127.0.0.1'],
    onlyAddress: '127.0.0.1',
    ports: { 0: 'starttls' },
    greeting: '220 127.0.0.1 ESMTP Service Ready',
    ehlo: ({ isSecure, helo = '' }) => [
      `Hello ${helo}`,
      'PIPELINING',
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'CHUNKING',
      ...(isSecure ? ['AUTH PLAIN LOGIN'] : ['STARTTLS']),
      'SIZE 26214400',
    ],
    words: GO_WORDS,
    limits: { size: 26_214_400 },
    mechanisms: ['PLAIN', 'LOGIN'],
    authInClear: '523 5.7.10 TLS is required',
    needsLogin: '502 5.7.0 Please authenticate first',
    badCredentials: () => '454 4.7.0 invalid username or password',
    ehloAfterAuth: 'drops-login',
  };
}

function isRelaying({ account, sender, headerFrom }: Submission): boolean {
  return [sender, headerFrom].some((one) => one !== '' && account?.owns(one) === false);
}
