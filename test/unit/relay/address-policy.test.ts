import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { RelayError } from '../../../src/protocol/failure.ts';
import { parsePathArgument, type PathArgument } from '../../../src/protocol/path.ts';
import { parseAddressPatterns } from '../../../src/relay/address-pattern.ts';
import { AddressPolicy, type AddressRules } from '../../../src/relay/address-policy.ts';

const NOTHING: AddressRules = {
  sender: undefined,
  senderRewrite: 'never',
  allowedSenders: undefined,
  allowedRecipients: undefined,
  senderKeepsReplyTo: false,
  localDomain: undefined,
  signedMessages: 'refuse',
};
const SENDER = 'relay@verified.test';
const ALLOWED = parseAddressPatterns('ann@x.test, @ok.test, *.below.test');

function policy(rules: Partial<AddressRules>): AddressPolicy {
  return new AddressPolicy({ ...NOTHING, ...rules });
}

function argument(path: string, keyword: 'FROM' | 'TO' = 'FROM'): PathArgument {
  const parsed = parsePathArgument(Buffer.from(`${keyword}:${path}`), keyword);
  assert.ok('ok' in parsed, path);
  return parsed.ok;
}

function isPolicyFailure(subject: 'sender' | 'recipient') {
  return (error: unknown): boolean =>
    error instanceof RelayError && error.failure.kind === 'policy' && error.failure.subject === subject;
}

function header(text: string, rules: Partial<AddressRules>): string {
  const { fieldsInFront, octets } = policy(rules).header(Buffer.from(text));
  return fieldsInFront + octets.toString();
}

test('hands on the very argument where nothing is asked for', () => {
  for (const path of ['<a@x.test>', '<>', '<root>', '<"a b"@x.test>', '<ü@x.test> SMTPUTF8']) {
    const given = argument(path);
    assert.equal(policy({}).sender(given), given);
    if (path !== '<>') assert.equal(policy({}).recipient(given), given);
  }
});

describe('among the allowed senders', () => {
  for (const path of [
    '<ann@x.test>',
    '<ANN@X.test>',
    '<b@ok.test>',
    '<b@a.below.test>',
    '<b@a.b.below.test>',
    '<>',
  ]) {
    test(`has ${path}`, () => {
      assert.equal(policy({ allowedSenders: ALLOWED }).sender(argument(path)).path, path);
    });
  }

  for (const path of [
    '<bob@x.test>',
    '<ann@y.test>',
    '<ann>',
    '<b@below.test>',
    '<b@notok.test>',
    '<b@xbelow.test>',
    '<b@ok.test.evil.test>',
    '<"b@ok.test"@evil.test>',
    '<b@evil.test@ok.test>',
    '<b@ok.test@evil.test>',
  ]) {
    test(`has not ${path}`, () => {
      assert.throws(
        () => policy({ allowedSenders: ALLOWED }).sender(argument(path)),
        isPolicyFailure('sender'),
      );
    });
  }
});

test('refuses recipients that are not allowed, and completes them first', () => {
  const rules = policy({ allowedRecipients: ALLOWED, localDomain: 'ok.test' });
  assert.equal(rules.recipient(argument('<root>', 'TO')).path, '<root@ok.test>');
  assert.equal(rules.recipient(argument('<"a b">', 'TO')).path, '<"a b"@ok.test>');
  assert.throws(() => rules.recipient(argument('<root@evil.test>', 'TO')), isPolicyFailure('recipient'));
});

test('rewrites every sender but the null one, and keeps its parameters', () => {
  const always = policy({ sender: SENDER, senderRewrite: 'always' });
  assert.equal(always.sender(argument('<>')).path, '<>');
  const rewritten = always.sender(argument('<ü@x.test> SMTPUTF8 SIZE=7'));
  assert.deepEqual(
    [rewritten.path, rewritten.isInternational, rewritten.parameters.map(({ text }) => text)],
    [`<${SENDER}>`, false, ['SMTPUTF8', 'SIZE=7']],
  );
});

test('rewrites only what is not allowed with unless-allowed, in the envelope and in From', () => {
  const rules = { sender: SENDER, senderRewrite: 'unless-allowed', allowedSenders: ALLOWED } as const;
  assert.equal(policy(rules).sender(argument('<ann@x.test>')).path, '<ann@x.test>');
  assert.equal(policy(rules).sender(argument('<bob@x.test>')).path, `<${SENDER}>`);
  assert.equal(policy(rules).sender(argument('<root>')).path, `<${SENDER}>`);
  assert.equal(header('From: A <ann@x.test>\r\n\r\n', rules), 'From: A <ann@x.test>\r\n\r\n');
  assert.equal(header('From: B <bob@x.test>\r\n\r\n', rules), `From: B <${SENDER}>\r\n\r\n`);
  assert.equal(
    header('From: R <RELAY@verified.test>\r\n\r\n', rules),
    'From: R <RELAY@verified.test>\r\n\r\n',
  );
  assert.equal(header('To: b@y.test\r\n\r\n', rules), 'To: b@y.test\r\n\r\n', 'no From is none to rewrite');
});

test('checks senders before it rewrites them always', () => {
  const rules = { sender: SENDER, senderRewrite: 'always', allowedSenders: ALLOWED } as const;
  assert.equal(policy(rules).sender(argument('<ann@x.test>')).path, `<${SENDER}>`);
  assert.throws(() => policy(rules).sender(argument('<bob@x.test>')), isPolicyFailure('sender'));
});

test('judges a bare local part with its domain', () => {
  const rules = policy({ allowedSenders: ALLOWED, localDomain: 'ok.test' });
  assert.equal(rules.sender(argument('root')).path, '<root@ok.test>');
  assert.equal(header('From: root\r\n\r\n', { localDomain: 'ok.test' }), 'From: root@ok.test\r\n\r\n');
});

test('leaves a signed message as it is, says so, and refuses it unless told to pass it', () => {
  const signed = 'DKIM-Signature: v=1; h=From:To; b=x\r\nFrom: a@x.test\r\n\r\n';
  const rules = { sender: SENDER, senderRewrite: 'always' } as const;
  const octets = Buffer.from(signed);
  const prepared = policy(rules).header(octets);
  assert.deepEqual([prepared.signature, prepared.isChanged, prepared.fieldsInFront], ['dkim', false, '']);
  assert.equal(prepared.octets, octets);
  const refusal = policy(rules).refusalOfSigned('dkim');
  assert.ok(isPolicyFailure('sender')(refusal));
  assert.equal(policy({ ...rules, signedMessages: 'pass' }).refusalOfSigned('dkim'), undefined);
});

test('does not mind a signature where From stays as it is', () => {
  const rules = policy({ sender: SENDER, senderRewrite: 'always', localDomain: 'ok.test' });
  const signed = `DKIM-Signature: v=1; h=From:To; b=x\r\nFrom: Relay <${SENDER}>\r\n\r\n`;
  assert.equal(rules.header(Buffer.from(signed)).signature, undefined);
});
