/**
 * The parsers, fed directly: what comes from clients, and what comes from upstreams.
 */
import assert from 'node:assert/strict';

import fc from 'fast-check';

import { readProxyHeader } from '../../../src/listener/proxy-header.ts';
import { saslExchange, type ClientMechanism, type Step } from '../../../src/listener/sasl-exchange.ts';
import { AddressSyntaxError, parseMailboxes } from '../../../src/protocol/address-list.ts';
import { Capabilities } from '../../../src/protocol/capabilities.ts';
import { DataReader } from '../../../src/protocol/data-reader.ts';
import { ARGUMENT_OCTETS, PATH_OCTETS, REPLY_LINES } from '../../../src/protocol/limits.ts';
import { parsePathArgument } from '../../../src/protocol/path.ts';
import { ReplyReader, ReplySyntaxError } from '../../../src/protocol/reply-reader.ts';
import type { Reply } from '../../../src/protocol/reply.ts';
import { HeaderBlock } from '../../../src/relay/header-block.ts';
import { editFrom, type FromEdit } from '../../../src/relay/header-edit.ts';
import { cut, cuts, damaged, octetsOf } from './octets.ts';
import { fuzzTarget, isText, type FuzzTarget } from './target.ts';

/** Of processor time; linear parsers need a millisecond for such inputs. */
const PATIENCE_MS = 1_000;

interface Cut {
  readonly text: string;
  readonly cuts: readonly number[];
}

const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}]/u;

const contents = [
  'Subject: x\r\n\r\nHello\r\n.\r\nRSET\r\n',
  '.\r\n',
  '..\r\n.\r\n',
  'a\r\n..b\r\n.c\r\n.\r\n',
  'a\n.\n\r.\r\r\n.\r\n',
  'a\r\n.\rb\r\n.\r\r\n.\r\n',
];
const dataReader = fuzzTarget<Cut>(
  {
    name: 'data-reader',
    inputs: fc.record({ text: damaged(contents), cuts }),
    check: ({ text, cuts: at }) => {
      const reader = new DataReader();
      let content = '';
      let rest: string | undefined;
      for (const piece of cut(octetsOf(text), at)) {
        if (rest !== undefined) rest += piece.toString('latin1');
        else
          rest = reader.read(piece, (octets) => (content += octets.toString('latin1')))?.toString('latin1');
      }
      const end = `\r\n${text}`.indexOf('\r\n.\r\n');
      if (end >= 0) {
        assert.equal(rest, text.slice(end + 3));
        assert.equal(content, unstuffed(text.slice(0, end)));
      } else {
        assert.equal(rest, undefined);
        // A dot at the start of the last line, and a CR behind it, wait for what they mean.
        const whole = unstuffed(text);
        assert.ok(whole.startsWith(content) && whole.length - content.length <= 2, 'content waits');
      }
    },
  },
  isCut,
);

/** Without the dots in front of lines (RFC 5321 §4.5.2). */
function unstuffed(text: string): string {
  return `\r\n${text}`.replaceAll('\r\n.', '\r\n').slice(2);
}

const paths = [
  'FROM:<a@x.test>',
  'FROM:<a@x.test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=a+3Db',
  'FROM:<>',
  'from: a@x.test',
  'FROM:<@r.test,@s.test:"a b\\"c"@x.test> SMTPUTF8',
  'FROM:<\xc3\xbc@x.test> AUTH=<> REQUIRETLS',
];
const path = fuzzTarget<string>(
  {
    name: 'path',
    inputs: damaged(paths),
    check: (text) => {
      const found = timed(() => parsePathArgument(octetsOf(text), 'FROM'));
      if ('fault' in found) return;
      const { ok } = found;
      assert.ok(octetsOf(text).length <= ARGUMENT_OCTETS);
      assert.match(ok.path, /^<.*>$/su);
      assert.doesNotMatch(ok.path, UNPRINTABLE);
      assert.ok(Buffer.byteLength(ok.path) <= PATH_OCTETS);
      assert.doesNotMatch(ok.path.replaceAll(/"(?:[^"\\]|\\.)*"/gsu, ''), /\s|.[<].|[>]./u);
      for (const { text: word } of ok.parameters) assert.doesNotMatch(word, /\s|\p{Cc}/u);
      const line = [`FROM:${ok.path}`, ...ok.parameters.map((one) => one.text)].join(' ');
      assert.deepEqual(parsePathArgument(Buffer.from(line), 'FROM'), { ok }, 'what goes up reads the same');
    },
  },
  isText,
);

const lists = [
  'Ann <a@x.test>, b@y.test',
  'Group: a@x.test, "B, C" <b@y.test>;, (comment (nested)) c@z.test',
  '<@r.test,@s.test:a@x.test>; =?utf-8?q?B=C3=A4r?= <b@[192.0.2.1]>',
  '"a\\"b"@x.test (c\\)d),\r\n e@f.test',
];
const addressList = fuzzTarget<string>(
  {
    name: 'address-list',
    inputs: damaged(lists),
    check: (text) => {
      for (const { address, start, end } of timed(() => mailboxesOf(text))) {
        assert.ok(0 <= start && start < end && end <= text.length);
        const argument = parsePathArgument(Buffer.from(`TO:<${address}>`), 'TO');
        assert.ok(
          'ok' in argument && argument.ok.path === `<${address}>`,
          `one address, one path: ${address}`,
        );
        assert.equal(argument.ok.parameters.length, 0);
      }
    },
  },
  isText,
);

function mailboxesOf(text: string): ReturnType<typeof parseMailboxes> {
  try {
    return parseMailboxes(text);
  } catch (error) {
    assert.ok(error instanceof AddressSyntaxError, String(error));
    return [];
  }
}

const REWRITE: FromEdit = {
  complete: (address) => (address.includes('@') ? address : `${address}@local.test`),
  rewrite: () => 'relay@x.test',
  unreadable: 'relay@x.test',
  missing: 'relay@x.test',
  keepsReplyTo: true,
};
const KEEP: FromEdit = {
  complete: (address) => address,
  rewrite: (address) => address,
  unreadable: undefined,
  missing: undefined,
  keepsReplyTo: false,
};
const headers = [
  'From: Ann <a@x.test>\r\nTo: b@y.test\r\nSubject: x\r\n\r\nBody\r\n',
  'from: a@x.test\r\nFrom: "B\r\n C" <b@y.test>,\r\n\tc@z.test\r\nReply-To: d@y.test\r\n\r\n',
  'Received: x\r\nFrom : =?utf-8?q?=C3=BC?= <root>\r\n\r\n',
];
const headerEdit = fuzzTarget<string>(
  {
    name: 'header-edit',
    inputs: damaged(headers).map((text) => `${text.replaceAll(/\r(?!\n)|(?<!\r)\n/g, ' ')}\r\n`),
    check: (text) => {
      const kept = timed(() => editFrom(octetsOf(text), KEEP));
      assert.equal(kept.isChanged, false);
      assert.equal(kept.octets.toString('latin1'), text);
      const { fieldsInFront, octets } = timed(() => editFrom(octetsOf(text), REWRITE));
      const block = new HeaderBlock();
      block.add(octetsOf(text));
      const front = Buffer.from(fieldsInFront + (block.isMissing ? '\r\n' : ''));
      const again = editFrom(Buffer.concat([front, octets]), REWRITE);
      assert.equal(again.isChanged, false, 'rewritten once, there is nothing left to rewrite');
    },
  },
  isText,
);

interface Login {
  readonly mechanism: ClientMechanism;
  readonly initial: string | null;
  readonly answers: readonly string[];
}
const base64 = fc.oneof(
  damaged(['\0user\0password', 'user', '\0\0', 'user 0123456789abcdef0123456789abcdef']).map((text) =>
    octetsOf(text).toString('base64'),
  ),
  damaged(['AHVzZXIAcGFzcw==', '*', '=', '']),
);
const sasl = fuzzTarget<Login>(
  {
    name: 'sasl-exchange',
    inputs: fc.record({
      mechanism: fc.constantFrom<ClientMechanism>('PLAIN', 'LOGIN', 'CRAM-MD5'),
      initial: fc.option(damaged(['\0user\0password', 'user', '']), { nil: null }),
      answers: fc.array(base64, { minLength: 2, maxLength: 2 }),
    }),
    check: ({ mechanism, initial, answers }) => {
      const exchange = saslExchange(mechanism, 'relay.test');
      let step: Step = exchange.begin(initial ?? undefined);
      for (const answer of answers) if ('challenge' in step) step = exchange.next(answer);
      assert.ok(!('challenge' in step), 'ends after two answers at most');
    },
  },
  (input): input is Login => typeof input === 'object' && input !== null && 'mechanism' in input,
);

const replies = [
  '220 upstream.test ESMTP\r\n',
  '250-upstream.test\r\n250-SIZE 100\r\n250-AUTH PLAIN LOGIN\r\n250-LIMITS MAILMAX=3\r\n250 8 BITMIME\r\n',
  '354 go\r\n250 2.0.0 ok\r\n421 4.3.2 bye\r\n',
  '550-5.7.1 no\r\n550 5.7.1 never\r\n',
];
const replyReader = fuzzTarget<Cut>(
  {
    name: 'reply-reader',
    inputs: fc.record({ text: damaged(replies), cuts }),
    check: ({ text, cuts: at }) => {
      const whole = readAll([octetsOf(text)]);
      assert.deepEqual(readAll(cut(octetsOf(text), at)), whole, 'cuts change nothing');
      for (const reply of whole.replies) {
        assert.ok(reply.code >= 200 && reply.code <= 599 && reply.lines.length <= REPLY_LINES);
        for (const line of reply.lines) assert.doesNotMatch(line, UNPRINTABLE);
        const { limits, maxMessageOctets } = Capabilities.of(reply);
        for (const limit of [limits.mailMax, limits.rcptMax, limits.domainMax, maxMessageOctets])
          assert.ok(limit === undefined || (Number.isSafeInteger(limit) && limit > 0));
      }
    },
  },
  isCut,
);

function readAll(pieces: readonly Buffer[]): { replies: readonly Reply[]; fault: string | undefined } {
  const reader = new ReplyReader();
  const found: Reply[] = [];
  try {
    for (const piece of pieces) for (const reply of reader.read(piece)) found.push(reply);
  } catch (error) {
    assert.ok(error instanceof ReplySyntaxError, String(error));
    return { replies: found, fault: error.reason };
  }
  return { replies: found, fault: undefined };
}

const proxied = [
  'PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO x\r\n',
  'PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n',
  'PROXY UNKNOWN ffff::1\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19',
  `\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24${'\x20\x01'.repeat(18)}`,
  '\r\n\r\n\0\r\nQUIT\n\x20\0\0\0',
];
const proxyHeader = fuzzTarget<string>(
  {
    name: 'proxy-header',
    inputs: damaged(proxied),
    check: (text) => {
      const octets = octetsOf(text);
      const found = readProxyHeader(octets);
      if (typeof found !== 'object') return;
      assert.ok(found.length > 0 && found.length <= octets.length);
      assert.deepEqual(
        readProxyHeader(octets.subarray(0, found.length)),
        found,
        'what comes behind has no say',
      );
      for (let end = 0; end < found.length; end += 1)
        assert.equal(readProxyHeader(octets.subarray(0, end)), undefined, 'more is wanted until it is whole');
    },
  },
  isText,
);

export const PARSER_TARGETS: readonly FuzzTarget[] = [
  dataReader,
  path,
  addressList,
  headerEdit,
  sasl,
  replyReader,
  proxyHeader,
];

function isCut(input: unknown): input is Cut {
  return typeof input === 'object' && input !== null && 'text' in input && 'cuts' in input;
}

function timed<T>(act: () => T): T {
  const began = process.cpuUsage();
  const result = act();
  const { user } = process.cpuUsage(began);
  assert.ok(user < PATIENCE_MS * 1_000, `took ${Math.round(user / 1_000)} ms`);
  return result;
}
