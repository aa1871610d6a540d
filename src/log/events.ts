/**
 * Every event there is, with its fields and its level.
 *
 * Guarantees: the set is closed; no field is a place for credentials or content, nor, where it is logged, for addresses of
 * people.
 * Names are `noun.past-verb`; ids come first: `sid` session, `tid` transaction, `hid` hop.
 */
import type { Failure, Phase } from '../protocol/failure.ts';
import type { TlsResultType } from '../protocol/tls-result.ts';

/** `never`: for observers alone. */
export type Level = 'error' | 'warn' | 'info' | 'debug' | 'never';

interface HopIds {
  readonly hid: string;
  readonly host: string;
  readonly port: number;
}

export interface Events {
  /** Variables as they count, secrets redacted. */
  'config.loaded': { readonly version: string; readonly settings: Readonly<Record<string, string>> };
  /** The files it comes from were read again, and count from now on. */
  'config.reloaded': { readonly settings: Readonly<Record<string, string>> };
  /** They were read again, and the configuration stays as it was for this reason, and for others that were told. */
  'config.refused': { readonly variable: string; readonly text: string };
  'config.warned': { readonly variable: string; readonly text: string };
  'certificate.created': { readonly directory: string; readonly notAfter: string };
  'certificate.renewed': { readonly directory: string; readonly notAfter: string };
  /** Up to where the audit trail has come: number and hash of its last line, for whoever keeps them elsewhere. */
  'audit.started': AuditHead;
  /** A file of it is full; `file` is what it is called now. */
  'audit.rotated': AuditHead & { readonly file: string };
  /** Somebody has moved its file away; it goes on in a new one. */
  'audit.moved': AuditHead;
  /** Somebody has removed its file, or lines at the end of it; it goes on at the same path. */
  'audit.removed': AuditHead;
  /** It cannot be written; mail goes on, and lines wait. */
  'audit.failed': { readonly reason: string };
  'audit.resumed': AuditHead;
  'audit.stopped': AuditHead & {
    /** Lines that could not be written. */
    readonly lost: number;
  };
  /** A report on TLS could not be written; it is tried again within the hour. */
  'report.failed': { readonly file: string; readonly reason: string };
  /** Traces could not be sent; they are dropped. */
  'telemetry.failed': { readonly host: string; readonly reason: string };
  'listener.started': { readonly host: string; readonly port: number; readonly tls: boolean };
  'listener.stopped': { readonly host: string; readonly port: number };
  'listener.failed': { readonly host: string; readonly port: number; readonly reason: string };
  'admin.started': { readonly host: string; readonly port: number };
  /** The socket that `sealpost health` asks at cannot be had; mail goes on. */
  'admin.unreachable': { readonly path: string; readonly reason: string };
  'session.opened': { readonly sid: string; readonly client: string; readonly tls: boolean };
  'session.refused': { readonly sid: string; readonly client: string; readonly reason: string };
  /** A client that went too slowly, or said much and mailed nothing. */
  'session.cut': { readonly sid: string; readonly client: string; readonly reason: string };
  /** A client is refused because of how many, or how much, there is; of messages and recipients once a minute for each. */
  'limit.reached': { readonly sid: string; readonly client: string; readonly limit: string };
  /** AUTH; `user` is undefined where anybody may log in, or where the name is the password as well. */
  'login.accepted': { readonly sid: string; readonly mechanism: string; readonly user: string | undefined };
  /** Who it was is not told: some clients say their password where their name belongs. */
  'login.refused': {
    readonly sid: string;
    readonly client: string;
    readonly mechanism: string;
    readonly reply: string;
  };
  'session.closed': { readonly sid: string; readonly messages: number; readonly ms: number };
  'hop.connected': HopIds & { readonly address: string; readonly ms: number };
  'hop.secured': SecuredHopFields & {
    /** Whether it was opened because health was asked for: then `hop.probed` told of that. */
    readonly probed: boolean;
  };
  /** A hop that was opened only because health was asked for; `hop.secured` follows if mail goes by it. */
  'hop.probed': SecuredHopFields;
  /** For a transaction, or a question about health. */
  'hop.leased': HopIds & {
    /** Whether it has served or lain idle before. */
    readonly reused: boolean;
    readonly waitMs: number;
  };
  /** Not one octet came back for a ClientHello with post-quantum key shares; a smaller one is tried. */
  'hop.stalled': HopIds & { readonly address: string };
  /** The fields of an RFC 8460 failure-details entry. */
  'hop.insecure': HopIds & {
    readonly address: string;
    /** Ours; '' when no connection was made, as is the other. */
    readonly localAddress: string;
    readonly phase: Phase;
    readonly resultType: TlsResultType;
    readonly reason: string;
  };
  /** The hop was not opened, for another reason than its security. */
  'hop.refused': HopIds & {
    readonly address: string;
    readonly localAddress: string;
    readonly phase: Phase;
    readonly failure: Failure['kind'];
    readonly reason: string;
  };
  /** An upstream is passed over from now on: what it failed with, and the hop that served instead. */
  'hop.failed-over': HopIds & {
    /** The one that failed. */
    readonly from: string;
    readonly failure: Failure['kind'];
    readonly phase: Phase;
    /** Where it could not be secured (RFC 8460 §4.3). */
    readonly resultType: TlsResultType | undefined;
    readonly reason: string;
  };
  'hop.closed': HopIds & { readonly transactions: number; readonly reason: string; readonly ms: number };
  /** The database is away by which relays share the caps of an upstream: each keeps to its part of them. */
  'caps.separated': { readonly relays: number; readonly reason: string };
  'caps.rejoined': { readonly relays: number };
  /** A new access token for the upstream. */
  'token.renewed': TokenFields & { readonly seconds: number; readonly ms: number };
  /** No access token; `reason` is a word of oauth/token-error.ts, `detail` the provider's. */
  'token.refused': TokenFields & { readonly reason: string; readonly detail: string };
  /** The provider gave a new refresh token, and it could not be kept for the next start. */
  'token.unstored': TokenFields & { readonly detail: string };
  'transaction.started': { readonly sid: string; readonly tid: string; readonly hid: string };
  'transaction.delivered': TransactionIds &
    ClientFields & {
      readonly reply: string;
      readonly recipients: number;
      readonly octets: number;
      /** Until there was a hop. */
      readonly waitMs: number;
      /** From the end of the envelope to that of the content. */
      readonly contentMs: number;
      /** From there to the upstream's reply. */
      readonly verdictMs: number;
      /** Since there was a hop. */
      readonly ms: number;
    };
  'transaction.refused': TransactionIds &
    ClientFields & {
      readonly failure: Failure['kind'];
      readonly phase: Phase | 'none';
      readonly reply: string;
      readonly ms: number;
    };
  /** Its From would have to be changed, which a signature does not survive: it was refused, or passed as it is. */
  'message.signed': TransactionIds & {
    readonly signature: 'dkim' | 'smime' | 'pgp';
    readonly action: 'refused' | 'passed';
  };
  'recipient.refused': TransactionIds & ClientFields & { readonly reply: string };
  /** Lost between the end of the message and its verdict: it may have been delivered. */
  'transaction.unknown': TransactionIds &
    ClientFields & {
      readonly reason: string;
      readonly octets: number;
      readonly ms: number;
    };
  /** The upstream does not take it now: it is kept. */
  'message.spooled': ClientFields & {
    readonly sid: string;
    readonly tid: string;
    readonly failure: Failure['kind'];
    /** Those that it is kept for. */
    readonly recipients: number;
    readonly octets: number;
    readonly ms: number;
  };
  /** It, or a recipient's, was to be kept for these kinds of failure, and the spool could not take it, for that reason. */
  'message.unspooled': {
    readonly sid: string;
    readonly tid: string;
    readonly failure: string;
    readonly reason: string;
  };
  /** The client left, reset or went silent before the message was complete. */
  'transaction.abandoned': TransactionIds & ClientFields & { readonly octets: number; readonly ms: number };
  /** Told only where there is a page to show it, with addresses as that page may show them. */
  'dialogue.ended': {
    readonly sid: string;
    readonly tid: string;
    readonly helo: string;
    readonly exchanges: readonly Exchange[];
  };
  'spool.delivered': SpoolIds & {
    readonly reply: string;
    readonly recipients: number;
    readonly octets: number;
    readonly attempts: number;
    /** Since it came. */
    readonly ms: number;
  };
  /** The recipients that still wait, and what was said of the first. */
  'spool.delayed': SpoolIds & {
    readonly failure: Failure['kind'];
    readonly reply: string;
    readonly recipients: number;
    readonly attempts: number;
    /** Until the next attempt. */
    readonly seconds: number;
  };
  /** Lost between the end of the message and its verdict: it is tried again, and may arrive twice. */
  'spool.unknown': SpoolIds & { readonly reason: string; readonly octets: number; readonly ms: number };
  /** A report to the sender was put in the spool; how many recipients it tells of. */
  'spool.bounced': SpoolIds & {
    readonly bounce: string;
    readonly failed: number;
    readonly delayed: number;
    readonly relayed: number;
  };
  /** Recipients were given up, and nobody is told: it came from nobody, or its sender did not want to hear. */
  'spool.dropped': SpoolIds & {
    readonly kind: 'mail' | 'bounce';
    readonly reply: string;
    readonly recipients: number;
  };
  /** Its claim had ended, and another relay has the message: what came of the attempt is not written down. */
  'spool.overtaken': SpoolIds & { readonly delivered: number };
  /** No upstream has that name any more; the message waits for one. */
  'spool.stranded': { readonly tid: string; readonly route: string };
  'spool.unusable': { readonly reason: string };
  /** Its lines have its number in a field `worker`. */
  'worker.started': { readonly worker: number; readonly pid: number };
  /** Unasked, or by force; while the relay runs another takes its place. */
  'worker.ended': {
    readonly worker: number;
    readonly pid: number;
    readonly code: number | null;
    readonly signal: string | null;
  };
  /** It did not answer for too long, and is killed. */
  'worker.hung': { readonly worker: number; readonly pid: number };
  'process.stopping': { readonly signal: string };
  /** What systemd waits for could not be said to it. */
  'supervisor.untold': { readonly reason: string };
  /** Transactions that were cut off; those of a worker that had to be killed are not known. */
  'process.stopped': { readonly forced: number };
  'internal.error': { readonly name: string; readonly text: string; readonly stack: string };
}

/** A command of a client about a message, and what it was answered. */
export interface Exchange {
  readonly command: string;
  readonly reply: string;
  /** Until it was answered. */
  readonly ms: number;
}

interface SecuredHopFields extends HopIds {
  readonly name: string;
  readonly authenticatedBy: string;
  readonly protocol: string;
  readonly cipher: string;
  readonly group: string;
  readonly fingerprint: string;
  /** Until when its certificate counts. */
  readonly notAfter: string;
  /** SASL; `none` where no AUTH took place. */
  readonly mechanism: string;
  /** Of TLS alone. */
  readonly handshakeMs: number;
  /** From the question for its address until it was logged in. */
  readonly ms: number;
}

/** Who sent the message. */
interface ClientFields {
  /** IP address. */
  readonly client: string;
  /** Who has logged in; undefined for nobody in particular. */
  readonly user: string | undefined;
}

interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

interface TokenFields {
  /** Of the token endpoint. */
  readonly host: string;
  readonly grant: string;
}

/** `tid` is the transaction that the message came by. */
interface SpoolIds {
  readonly tid: string;
  /** Undefined where there was no hop. */
  readonly hid: string | undefined;
}

interface TransactionIds {
  readonly sid: string;
  readonly tid: string | undefined;
  readonly hid: string | undefined;
}

export type EventName = keyof Events;

/** The level belongs to the event. */
export const LEVELS: { readonly [E in EventName]: Level } = {
  'config.loaded': 'info',
  'config.reloaded': 'info',
  'config.refused': 'error',
  'config.warned': 'warn',
  'certificate.created': 'info',
  'certificate.renewed': 'info',
  'audit.started': 'info',
  'audit.rotated': 'info',
  'audit.moved': 'info',
  'audit.removed': 'error',
  'audit.failed': 'error',
  'audit.resumed': 'info',
  'audit.stopped': 'info',
  'report.failed': 'error',
  'telemetry.failed': 'warn',
  'listener.started': 'info',
  'listener.stopped': 'info',
  'listener.failed': 'error',
  'admin.started': 'info',
  'admin.unreachable': 'warn',
  'session.opened': 'debug',
  'session.refused': 'warn',
  'session.cut': 'warn',
  'limit.reached': 'warn',
  'login.accepted': 'debug',
  'login.refused': 'warn',
  'session.closed': 'debug',
  'hop.connected': 'debug',
  'hop.secured': 'info',
  'hop.probed': 'debug',
  'hop.leased': 'debug',
  'hop.stalled': 'warn',
  'hop.insecure': 'warn',
  'hop.refused': 'warn',
  'hop.failed-over': 'warn',
  'hop.closed': 'debug',
  'caps.separated': 'warn',
  'caps.rejoined': 'info',
  'token.renewed': 'info',
  'token.refused': 'warn',
  'token.unstored': 'error',
  'transaction.started': 'debug',
  'transaction.delivered': 'info',
  'transaction.refused': 'warn',
  'message.signed': 'warn',
  'recipient.refused': 'info',
  'transaction.unknown': 'error',
  'message.spooled': 'warn',
  'message.unspooled': 'error',
  'transaction.abandoned': 'warn',
  'dialogue.ended': 'never',
  'spool.delivered': 'info',
  'spool.delayed': 'warn',
  'spool.unknown': 'error',
  'spool.bounced': 'warn',
  'spool.dropped': 'error',
  'spool.overtaken': 'warn',
  'spool.stranded': 'warn',
  'spool.unusable': 'error',
  'worker.started': 'info',
  'worker.ended': 'error',
  'worker.hung': 'error',
  'process.stopping': 'info',
  'supervisor.untold': 'error',
  'process.stopped': 'info',
  'internal.error': 'error',
};

export const EVENT_NAMES: readonly EventName[] = Object.keys(LEVELS).filter(isEventName);

function isEventName(name: string): name is EventName {
  return name in LEVELS;
}
