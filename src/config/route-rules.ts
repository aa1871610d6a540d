/**
 * Reads SEALPOST_ROUTES: which messages go to which upstream, one rule a line, the first that matches decides.
 *
 *     client=10.1.0.0/16 from=@example.com,*.example.org -> NAME
 *     user=alice to=bob@example.net -> default
 *     from=<> -> refuse "Failure notes go elsewhere."
 *
 * Guarantees: all faults are told in one go, by line number; the text of a rule is never repeated, because the file that
 * was named may be another one.
 */
import { addressPattern, type AddressPattern } from '../relay/address-pattern.ts';
import { Networks } from '../relay/networks.ts';
import type { RouteConditions, RouteRefusal, RouteRule } from '../relay/routes.ts';
import { checkNetwork } from './readers.ts';

export interface WrittenRoute {
  /** Upper case; undefined for the upstream without a name. */
  readonly name: string | undefined;
}

export interface WrittenRule extends RouteRule<RouteRefusal | WrittenRoute> {
  /** From 1. */
  readonly line: number;
}

const REFUSED = 'This relay takes no such message; its operator can allow it in SEALPOST_ROUTES.';
const SENTENCE_OCTETS = 300;
/** What no upstream may be called: words of the rules, and of the variables' own names. */
const RESERVED = [
  'DEFAULT',
  'REFUSE',
  'URL',
  'USER',
  'PASSWORD',
  'AUTH',
  'OAUTH',
  'PROVIDER',
  'CA',
  'PIN',
  'SERVER',
  'NAME',
  'FILE',
];
const ADDRESSES = 'should be user@example.com, user@, @example.com, *.example.com or <>, comma-separated';

/** @throws {Error} that lists all faults */
export function parseRouteRules(text: string): readonly WrittenRule[] {
  const rules: WrittenRule[] = [];
  const faults: string[] = [];
  for (const [index, words] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map(wordsOf)
    .entries()) {
    const line = index + 1;
    try {
      if (words.length > 0) rules.push({ ...ruleOf(words), line });
    } catch (error) {
      faults.push(`line ${line}: ${error instanceof Error ? error.message : 'cannot be read'}`);
    }
  }
  if (faults.length === 0) faults.push(...unreachable(rules));
  if (faults.length > 0) throw new Error(faults.join('; '));
  if (rules.length === 0) throw new Error('should have at least one rule, such as from=@example.com -> NAME');
  return rules;
}

/** Whether an upstream may have this name. */
export function isUpstreamName(name: string): boolean {
  return /^[A-Z0-9]+$/.test(name) && !RESERVED.includes(name);
}

/** Separated by blanks, quoted parts whole, up to a `#` that begins one. */
function wordsOf(line: string): readonly string[] {
  const words = line.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
  const comment = words.findIndex((word) => word.startsWith('#'));
  return comment < 0 ? words : words.slice(0, comment);
}

function ruleOf(words: readonly string[]): RouteRule<RouteRefusal | WrittenRoute> {
  if (words.some((word) => word.split('"').length % 2 === 0))
    throw new Error('a quotation mark has no other');
  const arrow = words.indexOf('->');
  if (arrow < 0) throw new Error('should end in -> and the name of an upstream, default or refuse');
  return { ...conditionsOf(words.slice(0, arrow)), verdict: verdictOf(words.slice(arrow + 1)) };
}

function verdictOf([word = '', sentence, ...more]: readonly string[]): RouteRefusal | WrittenRoute {
  const name = word.toUpperCase();
  if (name === 'REFUSE' && more.length === 0) return { sentence: sentenceOf(sentence) };
  if (sentence !== undefined) throw new Error('should have one word behind ->, or refuse "and a sentence"');
  if (name === 'DEFAULT') return { name: undefined };
  if (!isUpstreamName(name))
    throw new Error('should have behind -> the name of an upstream (letters and digits), default or refuse');
  return { name };
}

function sentenceOf(word: string | undefined): string {
  if (word === undefined) return REFUSED;
  const sentence = unquoted(word);
  if (
    !/^[\x21-\x7e][\x20-\x7e]*$/.test(sentence) ||
    sentence.length > SENTENCE_OCTETS ||
    !word.startsWith('"')
  )
    throw new Error(
      `the sentence behind refuse should be in quotation marks and ASCII, ${SENTENCE_OCTETS} at most`,
    );
  return sentence;
}

/** By the words that stand before `=`. */
const CONDITIONS = {
  client: (values: readonly string[]): RouteConditions => ({
    clients: new Networks(values.map(checkNetwork)),
  }),
  user: (values: readonly string[]): RouteConditions => ({ users: values }),
  from: (values: readonly string[]): RouteConditions => ({ senders: values.map(patternOf) }),
  to: (values: readonly string[]): RouteConditions => ({ recipients: values.map(recipientOf) }),
} as const;

function conditionsOf(words: readonly string[]): RouteConditions {
  let found: RouteConditions = {};
  const seen = new Set<string>();
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, Math.max(at, 0)).toLowerCase();
    if (key !== 'client' && key !== 'user' && key !== 'from' && key !== 'to')
      throw new Error('should have no conditions but client=, user=, from= and to=');
    if (seen.has(key)) throw new Error(`should have ${key}= once; several values are separated by commas`);
    seen.add(key);
    found = { ...found, ...CONDITIONS[key](valuesOf(word.slice(at + 1), key)) };
  }
  return found;
}

function valuesOf(text: string, key: string): readonly string[] {
  const values = (text.match(/(?:[^,"]|"[^"]*")+/g) ?? []).map(unquoted);
  if (values.length === 0 || /^,|,,|,$/.test(text)) throw new Error(`should have a value behind ${key}=`);
  return values;
}

function unquoted(text: string): string {
  return text.replaceAll('"', '');
}

function patternOf(text: string): AddressPattern {
  const pattern = addressPattern(text);
  if (pattern === undefined) throw new Error(`from= and to= ${ADDRESSES}`);
  return pattern;
}

function recipientOf(text: string): AddressPattern {
  const pattern = patternOf(text);
  if (pattern.kind === 'nobody') throw new Error('to= should not be <>: every recipient has an address');
  return pattern;
}

/** A rule without conditions decides for all that come to it. */
function unreachable(rules: readonly WrittenRule[]): readonly string[] {
  const last = rules.findIndex(
    ({ clients, users, senders, recipients }) => (clients ?? users ?? senders ?? recipients) === undefined,
  );
  const behind = last < 0 ? undefined : rules[last + 1];
  if (behind === undefined) return [];
  return [`line ${behind.line}: is never reached: line ${rules[last]?.line} has no conditions`];
}
