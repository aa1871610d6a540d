/**
 * Which addresses may pass, and what becomes of them, in the envelope and in the header's From.
 *
 * In this order: a bare local part gets its domain; what is not allowed is refused; the sender is rewritten. With
 * `unless-allowed` a sender that is not allowed is rewritten instead of refused.
 *
 * Guarantees: the null reverse-path stays what it is, and is allowed: it is how failures are reported (RFC 5321 §6.1).
 */
import { RelayError } from '../protocol/failure.ts';
import type { PathArgument } from '../protocol/path.ts';
import { isBare, isSameAddress, matchesAny, type AddressPattern } from './address-pattern.ts';
import { editFrom, type EditedHeader } from './header-edit.ts';
import { signatureOf, type Signature } from './signed-message.ts';

/** When the sender is rewritten. */
export type SenderRewrite = 'never' | 'always' | 'unless-allowed';

/** What becomes of a signed message whose From would have to be changed. */
export type SignedMessageRule = 'refuse' | 'pass';

export interface AddressRules {
  /** What a sender is rewritten to; without brackets. */
  readonly sender: string | undefined;
  readonly senderRewrite: SenderRewrite;
  /** undefined: all. */
  readonly allowedSenders: readonly AddressPattern[] | undefined;
  readonly allowedRecipients: readonly AddressPattern[] | undefined;
  /** Whether a rewritten From is kept in Reply-To, if there is none. */
  readonly senderKeepsReplyTo: boolean;
  /** For bare local parts. */
  readonly localDomain: string | undefined;
  readonly signedMessages: SignedMessageRule;
}

export interface PreparedHeader extends EditedHeader {
  /** Set where the message is signed and therefore was not changed. */
  readonly signature: Signature | undefined;
}

export class AddressPolicy {
  readonly #rules: AddressRules;

  constructor(rules: AddressRules) {
    this.#rules = rules;
  }

  /** The address with its domain, where one is to be had. @param address without brackets */
  completed(address: string): string {
    const { localDomain } = this.#rules;
    return localDomain !== undefined && isBare(address) ? `${address}@${localDomain}` : address;
  }

  /**
   * The argument of MAIL as it goes up.
   *
   * @throws {RelayError} policy
   */
  sender(argument: PathArgument): PathArgument {
    if (argument.path === '<>') return argument;
    const address = this.completed(addressOf(argument));
    const { allowedSenders, senderRewrite } = this.#rules;
    const isAllowed = allowedSenders === undefined || isAmong(address, allowedSenders);
    if (!isAllowed && senderRewrite !== 'unless-allowed')
      throw new RelayError({ kind: 'policy', subject: 'sender', reason: SENDER_REFUSED });
    return withAddress(argument, this.#rewritten(address));
  }

  /**
   * The argument of RCPT as it goes up.
   *
   * @throws {RelayError} policy
   */
  recipient(argument: PathArgument): PathArgument {
    const address = this.completed(addressOf(argument));
    const { allowedRecipients } = this.#rules;
    if (allowedRecipients !== undefined && !isAmong(address, allowedRecipients))
      throw new RelayError({ kind: 'policy', subject: 'recipient', reason: RECIPIENT_REFUSED });
    return withAddress(argument, address);
  }

  /**
   * The header as it goes up.
   *
   * @param octets the header and what came with its end
   */
  header(octets: Buffer): PreparedHeader {
    const { sender, senderRewrite, localDomain, senderKeepsReplyTo } = this.#rules;
    if (senderRewrite === 'never' && localDomain === undefined) return unchanged(octets);
    const isRewriting = senderRewrite !== 'never';
    const edited = editFrom(octets, {
      complete: (address) => this.completed(address),
      rewrite: (address) => this.#rewritten(address),
      unreadable: isRewriting ? sender : undefined,
      missing: senderRewrite === 'always' ? sender : undefined,
      keepsReplyTo: senderKeepsReplyTo,
    });
    const signature = edited.isChanged ? signatureOf(octets) : undefined;
    return signature === undefined ? { ...edited, signature } : { ...unchanged(octets), signature };
  }

  /** What a signed message is refused with; undefined when it is passed as it is. */
  refusalOfSigned(signature: Signature): RelayError | undefined {
    if (this.#rules.signedMessages === 'pass') return undefined;
    const reason = `The message is signed (${SIGNATURE_NAMES[signature]}), which does not survive the change that the relay would make to its From; write the final address into From before signing, or set SEALPOST_SIGNED_MESSAGES=pass.`;
    return new RelayError({ kind: 'policy', subject: 'sender', reason });
  }

  /** @param address with its domain */
  #rewritten(address: string): string {
    const { sender, senderRewrite, allowedSenders = [] } = this.#rules;
    if (sender === undefined || senderRewrite === 'never' || isSameAddress(address, sender)) return address;
    return senderRewrite === 'unless-allowed' && isAmong(address, allowedSenders) ? address : sender;
  }
}

const SENDER_REFUSED =
  'This sender is not allowed here; send from another address, or add it to SEALPOST_ALLOWED_SENDERS.';
const RECIPIENT_REFUSED =
  'This recipient is not allowed here; send to another address, or add it to SEALPOST_ALLOWED_RECIPIENTS.';

const SIGNATURE_NAMES: Readonly<Record<Signature, string>> = { dkim: 'DKIM', smime: 'S/MIME', pgp: 'PGP' };

// `a@b@c` is at c for some and at b for others: no such address is among those that are allowed.
const ONE_READING = /^(?:"(?:[^"\\]|\\.)*"|[^"@])*(?:@[^"@]*)?$/su;

function isAmong(address: string, patterns: readonly AddressPattern[]): boolean {
  return ONE_READING.test(address) && matchesAny(address, patterns);
}

function addressOf({ path }: PathArgument): string {
  return path.slice(1, -1);
}

/** The same argument where nothing changes. */
function withAddress(argument: PathArgument, address: string): PathArgument {
  const path = `<${address}>`;
  if (path === argument.path) return argument;
  return { ...argument, path, isInternational: Buffer.byteLength(path) > path.length };
}

function unchanged(octets: Buffer): PreparedHeader {
  return { isChanged: false, fieldsInFront: '', octets, signature: undefined };
}
