/**
 * What a sender wants to hear about a message (RFC 3461): the parameters NOTIFY, ORCPT, RET and ENVID.
 */
import type { PathArgument } from '../protocol/path.ts';
import { printable } from '../protocol/printable.ts';

export type Occasion = 'SUCCESS' | 'FAILURE' | 'DELAY';

/** @param recipient without NOTIFY only failures are told (RFC 3461 §4.1) */
export function wantsToHear(recipient: PathArgument, occasion: Occasion): boolean {
  const notify = valueOf(recipient, 'NOTIFY')?.toUpperCase().split(',');
  return notify === undefined ? occasion === 'FAILURE' : notify.includes(occasion);
}

/** What a report returns of the message; undefined when nothing was asked for. */
export function returnAsked(sender: PathArgument): 'FULL' | 'HDRS' | undefined {
  const ret = valueOf(sender, 'RET')?.toUpperCase();
  return ret === 'FULL' || ret === 'HDRS' ? ret : undefined;
}

export function envelopeId(sender: PathArgument): string | undefined {
  const envid = valueOf(sender, 'ENVID');
  return envid === undefined ? undefined : decoded(envid);
}

/** `type;address`, as the sender first wrote it. */
export function originalRecipient(recipient: PathArgument): string | undefined {
  const [, type, address] = /^([A-Za-z0-9-]+);(.+)$/.exec(valueOf(recipient, 'ORCPT') ?? '') ?? [];
  return type === undefined || address === undefined ? undefined : `${type}; ${decoded(address)}`;
}

export function hasParameter({ parameters }: PathArgument, keyword: string): boolean {
  return parameters.some((one) => one.keyword === keyword);
}

function valueOf({ parameters }: PathArgument, keyword: string): string | undefined {
  return parameters.find((one) => one.keyword === keyword)?.value;
}

/** xtext (RFC 3461 §4); what it hides must not become a line of its own. */
function decoded(xtext: string): string {
  const text = xtext.replaceAll(/\+([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(parseInt(hex, 16)),
  );
  return printable(text, 500);
}
