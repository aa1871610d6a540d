/**
 * Services that send mail for programs: Amazon SES, SendGrid, Mailgun, Postmark, Brevo, Scaleway, Resend.
 */
import { PLAIN_WORDS, type Profile, type Submission } from '../../../src/sandbox/provider/profile.ts';
import { GO_WORDS } from './words-of-go.ts';

export interface SesOptions {
  readonly region?: string;
  /** A new account writes to verified addresses only. */
  readonly isInSandbox?: boolean;
  readonly messagesPerSession?: number;
  /** How many messages within which time. */
  readonly rate?: { readonly messages: number; readonly ms: number };
}

/** AUTH is in the list before TLS, and answered with 530 there; no PIPELINING, no enhanced codes, a line `Ok`. */
export function ses(options: SesOptions = {}): Profile {
  const { region = 'eu-west-1', isInSandbox = false, messagesPerSession = 1_000, rate } = options;
  let sent: number[] = [];
  const isTooFast = (): boolean => {
    if (rate === undefined) return false;
    sent = sent.filter((at) => at > performance.now() - rate.ms);
    if (sent.length >= rate.messages) return true;
    sent.push(performance.now());
    return false;
  };
  return {
    title: 'Amazon SES',
    hosts: [`email-smtp.${region}.amazonaws.com`],
    ports: { 465: 'implicit', 587: 'starttls', 2465: 'implicit', 2587: 'starttls' },
    greeting: '220 email-smtp.amazonaws.com ESMTP SimpleEmailService-d-WX8YZ9ABC abcdefghijklmnopqrst',
    ehlo: ({ isSecure }) => [
      'email-smtp.amazonaws.com',
      '8BITMIME',
      'SIZE 10485760',
      ...(isSecure ? [] : ['STARTTLS']),
      'AUTH PLAIN LOGIN',
      'Ok',
    ],
    words: {
      ...PLAIN_WORDS,
      startTls: '220 Ready to start TLS',
      authenticated: '235 Authentication successful.',
      cancelled: '501 Authentication cancelled',
      sender: () => '250 Ok',
      recipient: () => '250 Ok',
      queued: (id) => `250 Ok 0102019ab0000000-${id}-000000`,
      reset: '250 Ok',
      noop: '250 Ok',
      bye: '221 Bye',
      unknownParameter: '555 Unsupported option',
      wrongOrder: '503 Bad sequence of commands',
      tooBig: '552 Message size exceeds fixed limit',
      tooManyRecipients: '452 Too many recipients',
    },
    limits: {
      size: 10_485_760,
      recipients: 50,
      messagesPerSession: {
        count: messagesPerSession,
        reply: '421 Connection closed by server. Maximum message count per session reached.',
      },
    },
    mechanisms: ['PLAIN', 'LOGIN'],
    authInClear: '530 Must issue a STARTTLS command first',
    needsLogin: '530 Authentication required',
    badCredentials: () => '535 Authentication Credentials Invalid',
    ehloAfterAuth: 'keeps-login',
    refuseMessage: ({ account, sender, headerFrom, recipients }) => {
      if (isTooFast()) return '454 Throttling failure: Maximum sending rate exceeded.';
      const checked = [sender, headerFrom, ...(isInSandbox ? recipients : [])];
      const failed = checked.filter((one) => one !== '' && account?.owns(one) !== true);
      if (failed.length === 0) return undefined;
      return `554 Message rejected: Email address is not verified. The following identities failed the check in region ${region.toUpperCase()}: ${[...new Set(failed)].join(', ')}`;
    },
  };
}

/** The user is `apikey`; the AUTH line comes twice, once in the old form; AUTH is taken even in clear. */
export function sendgrid(): Profile {
  return {
    title: 'SendGrid',
    hosts: ['smtp.sendgrid.net'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 SG ESMTP service ready at geopod-ismtpd-6-0',
    ehlo: ({ isSecure }) => [
      'smtp.sendgrid.net',
      '8BITMIME',
      'PIPELINING',
      'SIZE 31457280',
      ...(isSecure ? [] : ['STARTTLS']),
      'AUTH PLAIN LOGIN',
      'AUTH=PLAIN LOGIN',
    ],
    words: {
      ...PLAIN_WORDS,
      startTls: '220 Begin TLS negotiation now',
      authenticated: '235 Authentication successful',
      sender: () => '250 Sender address accepted',
      recipient: () => '250 Recipient address accepted',
      data: '354 Continue',
      queued: (id) => `250 Ok: queued as ${id}`,
      reset: '250 Reset',
      noop: '250 Ok',
      bye: '221 See you later',
    },
    limits: { size: 31_457_280, recipients: 1_000 },
    mechanisms: ['PLAIN', 'LOGIN'],
    authInClear: undefined,
    needsLogin: '550 Unauthenticated senders not allowed',
    badCredentials: () => '535 Authentication failed: Bad username / password',
    ehloAfterAuth: 'keeps-login',
    refuseMessage: (submission) =>
      isForeign(submission)
        ? '550 The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the Sender Identity requirements'
        : undefined,
  };
}

/** No enhanced codes; STARTTLS comes last. */
export function mailgun(host = 'smtp.mailgun.org'): Profile {
  return {
    title: 'Mailgun',
    hosts: [host, 'smtp.mailgun.org'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 Mailgun Influx ready',
    ehlo: ({ isSecure }) => [
      '4e119dd77b0c',
      'AUTH PLAIN LOGIN',
      'SIZE 52428800',
      '8BITMIME',
      'SMTPUTF8',
      'PIPELINING',
      ...(isSecure ? [] : ['STARTTLS']),
    ],
    words: {
      ...PLAIN_WORDS,
      startTls: '220 Go ahead',
      authenticated: '235 Authentication successful',
      sender: () => '250 Sender address accepted',
      recipient: () => '250 Recipient address accepted',
      data: '354 Continue',
      queued: (id) => `250 Great success ${id}`,
      reset: '250 Ok',
      noop: '250 Ok',
      bye: '221 See you later. Yours truly, Mailgun',
    },
    limits: { size: 52_428_800 },
    mechanisms: ['PLAIN', 'LOGIN'],
    authInClear: '530 5.7.0 Must issue a STARTTLS command first',
    needsLogin: '550 5.7.1 Relaying denied',
    badCredentials: () => '535 Authentication failed',
    ehloAfterAuth: 'keeps-login',
  };
}

/** User and password are the same token; 465 is served by nobody, and a firewall drops what goes there. */
export function postmark(): Profile {
  return {
    title: 'Postmark',
    hosts: ['smtp.postmarkapp.com'],
    ports: { 465: 'silent', 587: 'starttls' },
    greeting: '220 mtasv.net ESMTP ready',
    ehlo: ({ isSecure }) => [
      'mtasv.net',
      'PIPELINING',
      'SIZE 10485760',
      ...(isSecure ? ['AUTH PLAIN LOGIN CRAM-MD5'] : ['STARTTLS']),
      '8BITMIME',
    ],
    words: PLAIN_WORDS,
    limits: { size: 10_485_760, recipients: 50 },
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
    authInClear: '530 5.7.0 Must issue a STARTTLS command first',
    needsLogin: '530 5.7.0 Authentication required',
    badCredentials: () => '535 5.7.8 Error: authentication failed',
    ehloAfterAuth: 'keeps-login',
    refuseMessage: (submission) =>
      isForeign(submission)
        ? "550 5.7.1 The 'From' address you supplied is not a Sender Signature on your account"
        : undefined,
  };
}

/** A second EHLO after AUTH drops the login. */
export function brevo(): Profile {
  return {
    title: 'Brevo',
    hosts: ['smtp-relay.brevo.com'],
    ports: { 465: 'implicit', 587: 'starttls', 2525: 'starttls' },
    greeting: '220 smtp-relay.brevo.com ESMTP Service Ready',
    ehlo: ({ isSecure, helo = '' }) => [
      `Hello ${helo}`,
      'PIPELINING',
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'CHUNKING',
      ...(isSecure ? ['AUTH PLAIN LOGIN CRAM-MD5'] : ['STARTTLS']),
      'SIZE 20971520',
    ],
    words: GO_WORDS,
    limits: { size: 20_971_520 },
    mechanisms: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
    authInClear: '523 5.7.10 TLS is required',
    needsLogin: '502 5.7.0 Please authenticate first',
    badCredentials: () => '535 5.7.8 Authentication failed',
    ehloAfterAuth: 'drops-login',
  };
}

/** REQUIRETLS; ten messages a session, then 421 (the number is known, the words are not). */
export function scaleway(): Profile {
  return {
    title: 'Scaleway',
    hosts: ['smtp.tem.scaleway.com'],
    ports: { 465: 'implicit', 587: 'starttls', 2465: 'implicit', 2587: 'starttls' },
    greeting: '220 smtp.tem.scaleway.com ESMTP Service Ready',
    ehlo: ({ isSecure, helo = '' }) => [
      `Hello ${helo}`,
      'PIPELINING',
      '8BITMIME',
      'ENHANCEDSTATUSCODES',
      'CHUNKING',
      ...(isSecure ? ['AUTH PLAIN LOGIN', 'REQUIRETLS'] : ['STARTTLS']),
      'SIZE 104857600',
    ],
    words: GO_WORDS,
    limits: {
      size: 104_857_600,
      messagesPerSession: { count: 10, reply: '421 4.7.0 Too many messages in this session' },
    },
    mechanisms: ['PLAIN', 'LOGIN'],
    authInClear: '523 5.7.10 TLS is required',
    needsLogin: '502 5.7.0 Please authenticate first',
    badCredentials: () => '535 5.7.8 Authentication failed',
    ehloAfterAuth: 'keeps-login',
  };
}

/** The user is `resend`. */
export function resend(): Profile {
  return {
    title: 'Resend',
    hosts: ['smtp.resend.com'],
    ports: { 465: 'implicit', 587: 'starttls' },
    greeting: '220 Resend SMTP Relay ESMTP',
    ehlo: ({ isSecure }) => [
      'Resend SMTP Relay Nice to meet you, [127.0.0.1]',
      'PIPELINING',
      '8BITMIME',
      'SMTPUTF8',
      isSecure ? 'AUTH PLAIN LOGIN' : 'STARTTLS',
      'SIZE 41943040',
    ],
    words: PLAIN_WORDS,
    limits: { size: 41_943_040 },
    mechanisms: ['PLAIN', 'LOGIN'],
    authInClear: '538 Error: Must issue a STARTTLS command first',
    needsLogin: '530 Error: authentication Required',
    badCredentials: () => '535 Authentication failed',
    ehloAfterAuth: 'keeps-login',
    refuseMessage: (submission) =>
      isForeign(submission)
        ? '550 The example.test domain is not verified. Please, add and verify your domain on https://resend.com/domains'
        : undefined,
  };
}

function isForeign({ account, headerFrom }: Submission): boolean {
  return headerFrom !== '' && account?.owns(headerFrom) === false;
}
