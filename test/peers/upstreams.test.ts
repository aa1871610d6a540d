/**
 * The relay in front of real submission servers: what arrives in a mailbox there, and whose replies the client sees.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { startChasquid } from '../support/peers/chasquid.ts';
import { startExim } from '../support/peers/exim.ts';
import { assertUnchanged, framed, messageWith, SAMPLES } from '../support/peers/messages.ts';
import type { Maildir } from '../support/peers/maildir.ts';
import { PASSWORD, type Peer } from '../support/peers/peer.ts';
import { startPostfix } from '../support/peers/postfix.ts';
import { TestAuthority, type Identity } from '../support/pki.ts';
import { startRelay, type RelayProcess, type Variables } from '../support/relay-process.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

interface Server {
  readonly name: string;
  readonly start: (identity: Identity) => Promise<Peer>;
  /** How it refuses a recipient it does not know. */
  readonly unknownRecipient: RegExp;
}

const SERVERS: readonly Server[] = [
  {
    name: 'Postfix',
    start: startPostfix,
    unknownRecipient:
      /^550 5\.1\.1 <nobody@y\.test>: Recipient address rejected: User unknown in virtual mailbox table$/,
  },
  {
    name: 'Exim',
    start: startExim,
    unknownRecipient: /^550 no such mailbox here$/,
  },
  {
    name: 'chasquid',
    start: startChasquid,
    unknownRecipient: /^550 5\.1\.1 Destination address is unknown \(user does not exist\)$/,
  },
];

/** A message that never arrives is a failure, not a wait without end. */
const LIMIT = { timeout: 60_000 };

const authority = new TestAuthority();
after(() => authority.remove());

for (const server of SERVERS) {
  describe(server.name, () => {
    let peer: Peer;
    before(async () => (peer = await server.start(authority.issue())));
    after(async () => peer[Symbol.asyncDispose]());

    describe('with implicit TLS and the credentials in the URL', () => {
      testDelivery(server, () => ({ peer, variables: withUrl(peer) }));
    });
    describe('with STARTTLS and the password in a file', () => {
      testDelivery(server, () => ({ peer, variables: withPasswordFile(peer, peer.password) }));
    });
    test('shows the client 454 4.7.0 when the upstream refuses the password', LIMIT, async () => {
      await using relay = await startRelay(withPasswordFile(peer, 'wrong'));
      using client = await SmtpDialog.open(relay.port());
      await client.command('EHLO client.test');
      assert.match((await client.command('MAIL FROM:<a@x.test>')).raw, /^454 4\.7\.0 /);
    });
  });
}

function withUrl({ user, password, submissionsPort }: Peer): Variables {
  const account = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  return {
    SEALPOST_UPSTREAM: `smtps://${account}@localhost:${submissionsPort}`,
    SEALPOST_TLS_CA_FILE: authority.caFile,
  };
}

function withPasswordFile({ user, submissionPort }: Peer, password: string): Variables {
  const file = join(authority.directory, 'password');
  writeFileSync(file, `${password}\n`);
  return {
    SEALPOST_UPSTREAM: `smtp://localhost:${submissionPort}`,
    SEALPOST_UPSTREAM_USER: user,
    SEALPOST_UPSTREAM_PASSWORD_FILE: file,
    SEALPOST_TLS_CA_FILE: authority.caFile,
  };
}

interface Route {
  readonly peer: Peer;
  readonly variables: Variables;
}

/** What holds on the way to any server; `route` is asked when the server runs. */
function testDelivery(server: Server, route: () => Route): void {
  let relay: RelayProcess;
  let maildir: Maildir;
  before(async () => {
    const { peer, variables } = route();
    maildir = peer.maildir;
    relay = await startRelay(variables);
  });
  after(async () => {
    assert.ok(!relay.output.includes(PASSWORD), 'the password is in the log');
    await relay.stop();
  });

  for (const { name, content } of SAMPLES) {
    test(`keeps ${name} octet for octet`, LIMIT, async () => {
      assert.equal((await send(relay, content)).code, 250);
      const added = assertUnchanged(await maildir.takeOnly(), content);
      assert.ok(!added.includes('date') && !added.includes('message-id'), 'completes what was complete');
    });
  }

  test('puts a missing Date and Message-ID in front and changes nothing else', LIMIT, async () => {
    const content = Buffer.from('Subject: bare\r\n\r\nbody\r\n');
    assert.equal((await send(relay, content)).code, 250);
    const added = assertUnchanged(await maildir.takeOnly(), content);
    assert.ok(added.includes('date') && added.includes('message-id'), `added: ${added.join(', ')}`);
  });

  test('turns bare LF into CRLF and bare CR into a space, and it stays one message', LIMIT, async () => {
    const sent = messageWith('one\ntwo\n.\nthree\rfour\n.\r\nMAIL FROM:<a@x.test>\r\n');
    const wanted = messageWith('one\r\ntwo\r\n.\r\nthree four\r\n.\r\nMAIL FROM:<a@x.test>\r\n');
    assert.equal((await send(relay, sent)).code, 250);
    assertUnchanged(await maildir.takeOnly(), wanted);
  });

  test('shows the server’s own refusal of one recipient and delivers to the other', LIMIT, async () => {
    const content = messageWith('for those who exist\r\n');
    using client = await SmtpDialog.open(relay.port());
    await client.command('EHLO client.test');
    await client.command('MAIL FROM:<a@x.test>');
    assert.match((await client.command('RCPT TO:<nobody@y.test>')).raw, server.unknownRecipient);
    assert.equal((await client.command('RCPT TO:<c@y.test>')).code, 250);
    assert.equal((await client.command('DATA')).code, 354);
    client.write(framed(content));
    assert.equal((await client.reply()).code, 250);
    assertUnchanged(await maildir.takeOnly(), content);
  });
}

async function send(relay: RelayProcess, content: Buffer): Promise<DialogReply> {
  using client = await SmtpDialog.open(relay.port());
  const lines = ['EHLO client.test', 'MAIL FROM:<a@x.test> BODY=8BITMIME', 'RCPT TO:<b@y.test>', 'DATA'];
  for (const line of lines) {
    const reply = await client.command(line);
    assert.ok(reply.code < 400, `${line} was answered ${reply.raw}`);
  }
  client.write(framed(content));
  return await client.reply();
}
