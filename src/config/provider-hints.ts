/**
 * What well-known providers mean by their refusals: data, one list for each, in one sentence a refusal.
 *
 * Where no source is named, the wording was seen in many users' reports. A pattern names the provider's own words or
 * enhanced code wherever it can: a bare code says too little.
 */
import type { RefusalHint } from '../upstream/target.ts';

const AUTH = ['auth'] as const;

/** `535 5.7.3` and `535 5.7.139`: learn.microsoft.com, "Fix issues with printers, scanners and LOB applications". */
export const MICROSOFT_365: readonly RefusalHint[] = [
  {
    // The same code means "no REQUIRETLS" elsewhere (RFC 8689 §6), so that its text is asked for too.
    enhanced: '5.7.30',
    text: /basic auth/i,
    sentence:
      'Microsoft has switched off passwords for this mailbox; let Sealpost log in with OAuth (sealpost login).',
  },
  {
    phases: AUTH,
    enhanced: '5.7.139',
    text: /SmtpClientAuthentication is disabled/i,
    sentence:
      'SMTP AUTH is off for this organisation or mailbox; an administrator can switch it on (Authenticated SMTP in the mail apps of the user).',
  },
  {
    phases: AUTH,
    enhanced: '5.7.139',
    text: /basic authentication is disabled/i,
    sentence:
      'Microsoft takes no password for this mailbox; let Sealpost log in with OAuth (sealpost login).',
  },
  {
    phases: AUTH,
    enhanced: '5.7.139',
    sentence:
      'A policy of the organisation keeps this login out (security defaults, conditional access, or a locked account); ask its administrator.',
  },
  {
    login: 'token',
    enhanced: '5.7.3',
    sentence:
      'Microsoft refuses the token: whoever logged in must be allowed to send as SEALPOST_UPSTREAM_USER; an application needs SMTP.SendAsApp, the consent of an administrator, and its service principal FullAccess to the mailbox in Exchange.',
  },
  {
    phases: AUTH,
    enhanced: '5.7.3',
    sentence:
      'Microsoft refuses this login: the user is the whole address, the mailbox needs Authenticated SMTP switched on, and multi-factor accounts need OAuth (sealpost login).',
  },
  {
    enhanced: '5.2.252',
    sentence:
      "The From address is not this mailbox's own: send as the account, or give it the right Send As for that address.",
  },
  {
    text: /SendAsDenied/i,
    sentence:
      "The From address is not this mailbox's own: send as the account, or give it the right Send As for that address.",
  },
  {
    code: 432,
    enhanced: '4.3.2',
    sentence:
      'Microsoft lets three connections send for one mailbox at once, other programs included; lower SEALPOST_POOL_MAX or use another mailbox for them.',
  },
  {
    text: /SubmissionQuotaExceeded/i,
    sentence:
      'The mailbox has sent to as many recipients as Microsoft allows in a day (10000); it goes on tomorrow.',
  },
  {
    enhanced: '5.7.57',
    sentence: 'Microsoft wants a login before mail: set SEALPOST_UPSTREAM_USER, and a password or OAuth.',
  },
];

/** support.google.com/a/answer/3726730, "SMTP errors and codes". */
export const GMAIL: readonly RefusalHint[] = [
  {
    login: 'token',
    enhanced: '5.7.8',
    sentence:
      'Google refuses the token: it has to be one for the account in SEALPOST_UPSTREAM_USER, with the scope https://mail.google.com/ that its owner or administrator has granted.',
  },
  {
    login: 'password',
    enhanced: '5.7.8',
    sentence:
      'Gmail wants an app password (2-Step Verification must be on; myaccount.google.com/apppasswords), or OAuth (sealpost login); the password of the account does not work.',
  },
  {
    phases: AUTH,
    enhanced: '5.7.9',
    sentence:
      'Gmail wants an app password for this account (myaccount.google.com/apppasswords), or OAuth (sealpost login).',
  },
  {
    phases: AUTH,
    enhanced: '5.7.14',
    sentence: 'Google wants somebody to log in to the account with a browser once, then try again.',
  },
  {
    enhanced: '5.4.5',
    sentence:
      'The account has sent as many messages as Google allows in a day (500 free, 2000 in Workspace); it goes on within 24 hours.',
  },
  {
    code: 550,
    enhanced: '5.7.1',
    text: /smtp-relay/i,
    sentence:
      "Google's relay does not know this sender or address; allow it in the Admin console (Gmail, Routing, SMTP relay service).",
  },
  {
    code: 421,
    enhanced: '4.7.0',
    sentence: 'Google asks to slow down; lower SEALPOST_POOL_MAX if it lasts.',
  },
];

/** docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html */
export const SES: readonly RefusalHint[] = [
  {
    text: /address(?:es)? (?:is|are) not verified/i,
    sentence:
      'Amazon SES sends only for verified identities, in the header From too: verify the address or its domain in this region, and leave the sandbox to write to others.',
  },
  {
    code: 535,
    sentence:
      'Amazon SES wants SMTP credentials, which are made in its console for each region; an access key and its secret do not work.',
  },
  {
    text: /Maximum sending rate exceeded/i,
    sentence:
      'The account sends faster than its quota at Amazon SES; ask for a higher one, or lower SEALPOST_POOL_MAX.',
  },
  {
    text: /Daily message quota exceeded/i,
    sentence: 'The account has used up its quota at Amazon SES for 24 hours.',
  },
];

/** docs.sendgrid.com: "SMTP Errors and Troubleshooting". */
export const SENDGRID: readonly RefusalHint[] = [
  {
    code: 535,
    sentence:
      'SendGrid wants the user apikey, by this very word, and an API key with the permission Mail Send as the password.',
  },
  {
    text: /verified Sender Identity/i,
    sentence: 'SendGrid sends only for verified senders: verify the From address or authenticate its domain.',
  },
  {
    text: /Maximum credits exceeded/i,
    sentence: 'The SendGrid account has no credits left; see its plan, or wait until they are renewed.',
  },
];

export const MAILGUN: readonly RefusalHint[] = [
  {
    code: 535,
    sentence:
      'Mailgun has SMTP credentials for each domain and two regions: take those of the domain, and SEALPOST_PROVIDER=mailgun:eu for one in the EU.',
  },
];

/** postmarkapp.com/developer/user-guide/send-email-with-smtp */
export const POSTMARK: readonly RefusalHint[] = [
  {
    code: 535,
    sentence: 'Postmark wants the server API token, as the user and as the password.',
  },
  {
    text: /Sender Signature|not a confirmed/i,
    sentence: 'Postmark sends only for confirmed Sender Signatures: confirm the From address or its domain.',
  },
  {
    text: /inactive recipients?/i,
    sentence:
      'Postmark holds this recipient back after a bounce or a complaint; reactivate it in the Suppressions of the stream.',
  },
];

export const FASTMAIL: readonly RefusalHint[] = [
  {
    code: 535,
    sentence:
      'Fastmail wants an app password for SMTP (Settings, Privacy & Security), not the one of the account.',
  },
];

/** support.apple.com/102525 and /102654 */
export const ICLOUD: readonly RefusalHint[] = [
  {
    code: 535,
    sentence: 'iCloud wants an app-specific password (account.apple.com), not the one of the Apple Account.',
  },
  {
    code: 550,
    enhanced: '5.7.0',
    sentence: "The From address is not this account's own: iCloud takes its addresses and aliases only.",
  },
];

export const ZOHO: readonly RefusalHint[] = [
  {
    code: 535,
    sentence:
      'Zoho wants an app password where two-factor authentication is on, and the region of the account (SEALPOST_PROVIDER=zoho:eu, zoho:in, zoho:pro ...).',
  },
  {
    code: 553,
    text: /Relaying disallowed/i,
    sentence:
      "The From address is not this account's own: Zoho takes its address and confirmed aliases only.",
  },
];

export const YAHOO: readonly RefusalHint[] = [
  {
    text: /AUTH005/,
    sentence:
      'Yahoo has locked the login after too many failures; wait, and check that it is an app password.',
  },
  {
    code: 535,
    sentence: 'Yahoo wants an app password (Account security), not the one of the account.',
  },
  {
    code: 553,
    sentence: "The From address is not this account's own: Yahoo takes its address and verified ones only.",
  },
];

export const BREVO: readonly RefusalHint[] = [
  {
    code: 535,
    sentence: 'Brevo wants the SMTP login and an SMTP key (Settings, SMTP & API); an API key does not work.',
  },
  {
    code: 525,
    sentence: 'Brevo does not know the IP address of this machine; authorise it in Security, Authorised IPs.',
  },
];

export const SCALEWAY: readonly RefusalHint[] = [
  {
    code: 535,
    sentence:
      'Scaleway wants the project ID as the user and the secret key of an API key with TransactionalEmailFullAccess as the password.',
  },
];

export const OVH: readonly RefusalHint[] = [
  { code: 535, sentence: 'OVH wants the whole address as the user, and the password of that mailbox.' },
];

export const PROTON_BRIDGE: readonly RefusalHint[] = [
  {
    phases: AUTH,
    sentence:
      'Proton Bridge has a password of its own for each account; it is shown in Bridge, not the one of Proton.',
  },
];

export const RESEND: readonly RefusalHint[] = [
  {
    code: 535,
    sentence: 'Resend wants the user resend, by this very word, and an API key as the password.',
  },
  {
    text: /domain is not verified/i,
    sentence: 'Resend sends only for verified domains: verify the one of the From address.',
  },
];
