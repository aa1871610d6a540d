/**
 * Providers that Sealpost knows: data only, one entry each.
 *
 * Where a number is not documented by the provider it is left out, and what holds for all upstreams holds. 465 stands
 * before 587 (RFC 8314 §3.3) but where a provider does not serve it.
 */
import type { OAuthEndpoints } from '../oauth/endpoints.ts';
import type { MechanismName } from '../upstream/sasl/mechanism.ts';
import type { RefusalHint } from '../upstream/target.ts';
import * as hints from './provider-hints.ts';

export interface Provider {
  /** For people. */
  readonly title: string;
  /**
   * What SEALPOST_UPSTREAM would be, by what follows `name:` in SEALPOST_PROVIDER; '' for nothing. `{}` in the entry of
   * `*` takes whatever matches `variant`.
   */
  readonly upstreams: Readonly<Record<string, string>>;
  readonly variant?: { readonly form: RegExp; readonly example: string };
  /** That may carry a password; the strongest offered one where left out. */
  readonly passwordMechanisms?: readonly MechanismName[];
  /** Where everybody has the same. */
  readonly user?: string;
  /** One token is both. */
  readonly isUserThePassword?: true;
  /** Who comes from a known address needs no login. */
  readonly isLoginOptional?: true;
  /** Sessions at once for one account. */
  readonly connections?: number;
  readonly messagesPerSession?: number;
  /** After which the provider ends a session. */
  readonly sessionSeconds?: number;
  /** More are delayed or refused. */
  readonly messagesPerMinute?: number;
  readonly oauth?: ProviderOAuth;
  readonly hints: readonly RefusalHint[];
}

export interface ProviderOAuth {
  /** Somebody logs in, once. `{}` takes the tenant. */
  readonly delegated: OAuthEndpoints;
  /** The relay is an application of its own: client credentials or a service account. */
  readonly application: OAuthEndpoints;
  /** What takes the place of `{}` in `delegated` where none is given. */
  readonly tenant?: string;
}

const PLAIN_OR_LOGIN = ['PLAIN', 'LOGIN'] as const;
const MICROSOFT = 'https://login.microsoftonline.com/{}/oauth2/v2.0';
const GOOGLE_TOKEN = 'https://oauth2.googleapis.com/token';
const GOOGLE_SCOPE = 'https://mail.google.com/';

const GOOGLE: ProviderOAuth = {
  // No device flow: Google does not give that scope to devices (developers.google.com/identity/protocols/oauth2/limited-input-device).
  delegated: {
    tokenUrl: GOOGLE_TOKEN,
    authorizationUrl: 'https://accounts.google.com/o/oauth2/v2/auth?access_type=offline&prompt=consent',
    scope: GOOGLE_SCOPE,
  },
  application: { tokenUrl: GOOGLE_TOKEN, scope: GOOGLE_SCOPE },
};

export const PROVIDERS: Readonly<Record<string, Provider>> = {
  // learn.microsoft.com: "Exchange Online limits", "SMTP AUTH client submission", "Authenticate … using OAuth".
  // No 465; no PLAIN; sessions are ended after 20 minutes.
  microsoft365: {
    title: 'Microsoft 365',
    upstreams: { '': 'smtp://smtp.office365.com:587', '*': 'smtp://smtp.office365.com:587' },
    variant: { form: /^[a-z0-9][a-z0-9.-]{0,252}$/i, example: 'contoso.onmicrosoft.com' },
    passwordMechanisms: ['LOGIN'],
    connections: 3,
    sessionSeconds: 1_200,
    messagesPerMinute: 30,
    oauth: {
      delegated: {
        tokenUrl: `${MICROSOFT}/token`,
        deviceUrl: `${MICROSOFT}/devicecode`,
        authorizationUrl: `${MICROSOFT}/authorize`,
        scope: 'https://outlook.office.com/SMTP.Send offline_access',
      },
      application: { tokenUrl: `${MICROSOFT}/token`, scope: 'https://outlook.office365.com/.default' },
      tenant: 'organizations',
    },
    hints: hints.MICROSOFT_365,
  },
  // support.google.com/a/answer/176600
  gmail: {
    title: 'Gmail and Google Workspace',
    upstreams: { '': 'smtp.gmail.com' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    oauth: GOOGLE,
    hints: hints.GMAIL,
  },
  // support.google.com/a/answer/2956491: by address, by login, or both.
  'gmail-relay': {
    title: 'SMTP relay service of Google Workspace',
    upstreams: { '': 'smtp-relay.gmail.com' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    isLoginOptional: true,
    oauth: GOOGLE,
    hints: hints.GMAIL,
  },
  // docs.aws.amazon.com/ses/latest/dg/smtp-connect.html
  ses: {
    title: 'Amazon SES',
    upstreams: { '*': 'email-smtp.{}.amazonaws.com' },
    variant: { form: /^[a-z]{2}(?:-[a-z]+)+-\d$/, example: 'eu-west-1' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.SES,
  },
  // docs.sendgrid.com/for-developers/sending-email/integrating-with-the-smtp-api
  sendgrid: {
    title: 'Twilio SendGrid',
    upstreams: { '': 'smtp.sendgrid.net', eu: 'smtp.eu.sendgrid.net' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    user: 'apikey',
    hints: hints.SENDGRID,
  },
  // documentation.mailgun.com: "Sending via SMTP", "Regions"
  mailgun: {
    title: 'Mailgun',
    upstreams: { '': 'smtp.mailgun.org', eu: 'smtp.eu.mailgun.org' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.MAILGUN,
  },
  // postmarkapp.com/developer/user-guide/send-email-with-smtp: 25, 2525 and 587 with STARTTLS; 465 times out.
  postmark: {
    title: 'Postmark',
    upstreams: {
      '': 'smtp://smtp.postmarkapp.com:587',
      broadcasts: 'smtp://smtp-broadcasts.postmarkapp.com:587',
    },
    isUserThePassword: true,
    hints: hints.POSTMARK,
  },
  // www.fastmail.help: "Server names and ports"
  fastmail: {
    title: 'Fastmail',
    upstreams: { '': 'smtp.fastmail.com' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.FASTMAIL,
  },
  // support.apple.com/102525: 587 with STARTTLS; 465 is refused.
  icloud: {
    title: 'iCloud Mail',
    upstreams: { '': 'smtp://smtp.mail.me.com:587' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.ICLOUD,
  },
  // www.zoho.com/mail/help/zoho-smtp.html; `pro` is for organisations with a domain of their own.
  zoho: {
    title: 'Zoho Mail',
    upstreams: {
      '': 'smtp.zoho.com',
      eu: 'smtp.zoho.eu',
      in: 'smtp.zoho.in',
      pro: 'smtppro.zoho.com',
      'pro-eu': 'smtppro.zoho.eu',
      'pro-in': 'smtppro.zoho.in',
    },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.ZOHO,
  },
  // help.yahoo.com/kb/SLN4724.html; new OAuth applications are not admitted.
  yahoo: {
    title: 'Yahoo Mail',
    upstreams: { '': 'smtp.mail.yahoo.com' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.YAHOO,
  },
  // help.brevo.com: "Send transactional emails using Brevo SMTP"
  brevo: {
    title: 'Brevo',
    upstreams: { '': 'smtp-relay.brevo.com' },
    hints: hints.BREVO,
  },
  // scaleway.com/en/docs/transactional-email/reference-content/smtp-configuration; a session takes ten messages.
  scaleway: {
    title: 'Scaleway Transactional Email',
    upstreams: { '': 'smtp.tem.scaleway.com' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    messagesPerSession: 10,
    hints: hints.SCALEWAY,
  },
  // help.ovhcloud.com: "General information about shared emails"
  ovh: {
    title: 'OVHcloud mail',
    upstreams: { '': 'ssl0.ovh.net' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    hints: hints.OVH,
  },
  // proton.me/support/bridge: on this machine, its port can be changed; its certificate signs itself, for 127.0.0.1 alone,
  // and has to be exported and named by SEALPOST_TLS_CA_FILE, or pinned.
  'proton-bridge': {
    title: 'Proton Mail Bridge',
    upstreams: { '': 'smtp://127.0.0.1:1025', '*': 'smtp://127.0.0.1:{}' },
    variant: {
      form: /^(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/,
      example: '1026',
    },
    hints: hints.PROTON_BRIDGE,
  },
  // resend.com/docs/send-with-smtp
  resend: {
    title: 'Resend',
    upstreams: { '': 'smtp.resend.com' },
    passwordMechanisms: PLAIN_OR_LOGIN,
    user: 'resend',
    hints: hints.RESEND,
  },
};
