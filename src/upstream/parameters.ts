/**
 * MAIL and RCPT as they go up: parameters carried as received where the upstream knows them, else refused.
 *
 * SIZE and BODY say nothing that an upstream without SIZE or 8BITMIME would need; there they are left out. Content that
 * was declared 8-bit must then turn out not to be (RFC 6152 §3): many declare it whatever it is.
 */
import type { Capabilities } from '../protocol/capabilities.ts';
import { CommandLine } from '../protocol/command.ts';
import { RelayError, type Extension } from '../protocol/failure.ts';
import type { Parameter, PathArgument } from '../protocol/path.ts';
import type { ContentRule } from './body.ts';

/** Parameters whose EHLO keyword has another name. The others are named like their keyword. */
const KEYWORD_OF: ReadonlyMap<string, string> = new Map([
  ['RET', 'DSN'], // RFC 3461
  ['ENVID', 'DSN'],
  ['NOTIFY', 'DSN'],
  ['ORCPT', 'DSN'],
  ['BY', 'DELIVERBY'], // RFC 2852
  ['HOLDFOR', 'FUTURERELEASE'], // RFC 4865
  ['HOLDUNTIL', 'FUTURERELEASE'],
]);

/** When REQUIRETLS goes up (RFC 8689): where a client asked for it, wherever it is offered, or always. */
export type RequireTlsRule = 'on-request' | 'when-offered' | 'require';

/** @throws {RelayError} too-big | unsupported | unknown-parameter */
export function mailCommand(
  argument: PathArgument,
  capabilities: Capabilities,
  rule: RequireTlsRule,
): CommandLine<'MAIL'> {
  const carried = argument.parameters.filter((parameter) => isCarriedOnMail(parameter, capabilities));
  const isAdded = rule !== 'on-request' && !asksRequireTls(argument) && capabilities.has('REQUIRETLS');
  return CommandLine.mail(argument.path, [
    ...carried.map(({ text }) => text),
    ...(isAdded ? ['REQUIRETLS'] : []),
  ]);
}

/** What the upstream must offer for this message; another one may have it (RFC 8689 §4.2.1). */
export function neededExtension(argument: PathArgument, rule: RequireTlsRule): Extension | undefined {
  return rule === 'require' || asksRequireTls(argument) ? 'REQUIRETLS' : undefined;
}

/** Whether the client asked for it. */
export function asksRequireTls({ parameters }: PathArgument): boolean {
  return parameters.some(({ keyword }) => keyword === 'REQUIRETLS');
}

/** What content may be: 7-bit only where it was declared not to be and the upstream takes no other (RFC 6152 §3). */
export function contentRule({ parameters }: PathArgument, capabilities: Capabilities): ContentRule {
  const isDeclared = parameters.some(({ text }) => text.toUpperCase() === 'BODY=8BITMIME');
  return isDeclared && !capabilities.has('8BITMIME') ? '7bit' : 'any';
}

/** @throws {RelayError} unknown-parameter */
export function rcptCommand(argument: PathArgument, capabilities: Capabilities): CommandLine<'RCPT'> {
  for (const parameter of argument.parameters) requireKnown(parameter, capabilities);
  return CommandLine.rcpt(
    argument.path,
    argument.parameters.map(({ text }) => text),
  );
}

/** For an upstream that does not report (RFC 3461 §5.2.2). */
export function withoutDsn(argument: PathArgument): PathArgument {
  const parameters = argument.parameters.filter(({ keyword }) => KEYWORD_OF.get(keyword) !== 'DSN');
  return { ...argument, parameters };
}

/** The size that a client declared (RFC 1870 §6); undefined when it declared none. */
export function declaredOctets({ parameters }: PathArgument): number | undefined {
  const value = parameters.find(({ keyword }) => keyword === 'SIZE')?.value;
  return value === undefined ? undefined : Number(value);
}

/**
 * Whether the values are well formed, as far as a hop in between can tell.
 *
 * xtext (RFC 3461 §4) can hide a CR, LF or NUL that a later hop may decode into a line of its own. Other values of `+XX`
 * are left alone: clients write `user+10@example.com` as it is.
 */
export function hasValidValues({ parameters }: PathArgument): boolean {
  return parameters.every(({ keyword, value = '' }) => {
    if (keyword === 'SIZE') return /^[0-9]{1,20}$/.test(value);
    if (keyword === 'BODY') return /^(7BIT|8BITMIME|BINARYMIME)$/i.test(value);
    if (keyword === 'SMTPUTF8' || keyword === 'REQUIRETLS') return value === '';
    return !/\+0[0AD]/i.test(value);
  });
}

function isCarriedOnMail(parameter: Parameter, capabilities: Capabilities): boolean {
  const { keyword, value = '' } = parameter;
  switch (keyword) {
    case 'SIZE':
      requireFit(Number(value), capabilities);
      return capabilities.has('SIZE');
    case 'BODY':
      // BINARYMIME needs BDAT from the client too (RFC 3030 §3), which it was not offered.
      if (value.toUpperCase() === 'BINARYMIME') throw unknown('BODY=BINARYMIME');
      return capabilities.has('8BITMIME');
    case 'SMTPUTF8':
    case 'REQUIRETLS':
      return requireExtension(keyword, capabilities);
    default:
      return requireKnown(parameter, capabilities);
  }
}

function requireFit(octets: number, capabilities: Capabilities): void {
  const maxOctets = capabilities.maxMessageOctets;
  if (maxOctets !== undefined && octets > maxOctets) throw new RelayError({ kind: 'too-big', maxOctets });
}

function requireExtension(extension: Extension, capabilities: Capabilities): true {
  if (!capabilities.has(extension)) throw new RelayError({ kind: 'unsupported', extension });
  return true;
}

function requireKnown({ keyword }: Parameter, capabilities: Capabilities): true {
  if (!capabilities.has(KEYWORD_OF.get(keyword) ?? keyword)) throw unknown(keyword);
  return true;
}

function unknown(keyword: string): RelayError {
  return new RelayError({ kind: 'unknown-parameter', keyword });
}
