/**
 * A server that was verified once and then shows another certificate: nothing that was proven before counts for a new
 * connection, even where the server offers to resume the old session (RFC 8446 §2.2, RFC 5077), which would spare it
 * the proof.
 */
import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { connect, TLSSocket, type SecureContextOptions } from 'node:tls';

import { HelloKeeper } from '../support/client-hello.ts';
import { canaryMessage } from '../support/hostile-canary.ts';
import { assertClearText, assertOutput, assertRefusal } from '../support/hostile-judgement.ts';
import { ENVIRONMENTS, genuine, GOOD_IDENTITY, HostileStage, sendPlainly } from '../support/hostile-stage.ts';
import { ScriptedUpstream, type Connection } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';
import { LAX_SERVER, WRONG_CERTIFICATES, type WrongCertificate } from '../support/wrong-certificates.ts';

/** Tickets of one connection are good on the next, whatever certificate the server then has. */
const TICKETS = { ticketKeys: randomBytes(48), sessionIdContext: 'upstream' } as const;

/** A handshake that the server saw the end of. */
interface Handshake {
  readonly version: string | null;
  readonly isResumed: boolean;
}

const VERSIONS = [
  { version: 'TLSv1.3', wrong: WRONG_CERTIFICATES },
  // The way to resume is another one, the certificates are judged alike.
  { version: 'TLSv1.2', wrong: WRONG_CERTIFICATES.filter((_, index) => index % 8 === 0) },
] as const;

const SUITE = { timeout: 60_000, concurrency: false };

const unknown = find('a certificate of an unknown authority');

describe('A server that changed its certificate', { concurrency: true }, () => {
  for (const { version } of VERSIONS) {
    test(`is resumed by a careless client, ${version}`, async () => {
      const tls = { ...TICKETS, maxVersion: version };
      await using upstream = await ScriptedUpstream.start({ mode: 'implicit', identity: GOOD_IDENTITY, tls });
      const session = await sessionWith(upstream.port);
      const tamper = new HelloKeeper();
      upstream.play({ ...upstream.script, identity: unknown.identity, tamper });
      const socket = carelessClient(upstream.port, session);
      await once(socket, 'secureConnect');
      assert.equal(socket.authorized, true, 'nobody looked at the certificate');
      assert.equal(socket.isSessionReused(), true);
      assert.equal(tamper.hellos[0]?.resumes, true);
      socket.destroy();
    });
  }

  for (const { name, variables } of ENVIRONMENTS) {
    for (const { version, wrong } of VERSIONS) {
      describe(`and offers to resume, ${version}, ${name}`, SUITE, () => {
        let stage: HostileStage;
        before(async () => {
          stage = await HostileStage.start({ scheme: 'smtps' }, variables);
        });
        after(async () => stage.end());

        for (const certificate of wrong)
          test(`refuses ${certificate.what} after a good one`, async () =>
            refusesInPlaceOf(stage, certificate, { ...TICKETS, maxVersion: version }));
      });
    }

    describe(`and keeps the old connection, ${name}`, SUITE, () => {
      let stage: HostileStage;
      before(async () => {
        stage = await HostileStage.start({ scheme: 'smtps' }, variables);
      });
      after(async () => stage.end());

      test('delivers on the hop that was verified, and verifies the next one anew', async () => {
        const handshakes: Handshake[] = [];
        let identity = GOOD_IDENTITY;
        const { upstream, relay } = stage;
        const { mode } = upstream.script;
        // A script is read at each connection: the certificate is what it is then.
        upstream.play({
          mode,
          tls: TICKETS,
          onSecure: keepHandshakes(handshakes),
          get identity() {
            return identity;
          },
        });
        assert.equal((await sendOne(stage)).code, 250);

        identity = unknown.identity;
        assert.equal(
          (await sendOne(stage)).code,
          250,
          'the connection that was verified is as good as before',
        );
        assert.equal(upstream.connections.length, 1);

        using first = await SmtpDialog.open(relay.port());
        await first.command('EHLO client.test');
        assert.equal((await first.command('MAIL FROM:<a@x.test>')).code, 250);
        assert.equal((await first.command('RCPT TO:<b@y.test>')).code, 250);
        assertRefusal(await sendOne(stage), '451 4.7.5');
        assert.equal(upstream.connections.length, 2);
        assert.equal(upstream.connections[1]?.secured.toString(), '', 'nothing is said to the impostor');

        identity = genuine.issue();
        assert.equal(
          (await sendOne(stage)).code,
          250,
          'a new certificate that is right is as good as the old one',
        );
        assert.equal(upstream.connections.length, 3);
        assert.ok(!handshakes.some(({ isResumed }) => isResumed));
        assertClearText(upstream);
        assertOutput(relay);
      });
    });
  }
});

/** The genuine server delivers once and is cut off; somebody with its tickets and another certificate comes instead. */
async function refusesInPlaceOf(
  stage: HostileStage,
  { what, insecure, identity }: WrongCertificate,
  tls: SecureContextOptions,
): Promise<void> {
  const tamper = new HelloKeeper();
  const handshakes: Handshake[] = [];
  const observed = { tamper, onSecure: keepHandshakes(handshakes) };
  stage.begin({ ...observed, tls });
  assert.equal((await sendOne(stage)).code, 250);
  assert.deepEqual(handshakes, [{ version: tls.maxVersion, isResumed: false }]);
  await stage.refuses({
    name: what,
    script: { ...observed, identity, tls: { ...tls, ...LAX_SERVER } },
    reply: '451 4.7.5',
    insecure,
  });
  assert.ok(tamper.hellos.length >= 2, 'each connection began with a ClientHello');
  assert.ok(!handshakes.some(({ isResumed }) => isResumed));
  assert.ok(
    tamper.hellos.every(({ resumes }) => !resumes),
    'no ClientHello holds a ticket',
  );
}

function keepHandshakes(handshakes: Handshake[]): (at: Connection) => void {
  return ({ socket }) => {
    assert.ok(socket instanceof TLSSocket);
    handshakes.push({ version: socket.getProtocol(), isResumed: socket.isSessionReused() });
  };
}

async function sessionWith(port: number): Promise<Buffer> {
  const socket = carelessClient(port);
  const session = new Promise<Buffer>((resolve) => void socket.once('session', resolve));
  socket.resume(); // TLS 1.3 tickets come after the handshake
  const found = await session;
  socket.destroy();
  return found;
}

/** Node's client as people use it, with every check on. */
function carelessClient(port: number, session?: Buffer): TLSSocket {
  const resuming = session === undefined ? {} : { session };
  return connect({ host: '127.0.0.1', servername: 'localhost', port, ca: genuine.caPem, ...resuming });
}

function find(what: string): WrongCertificate {
  const found = WRONG_CERTIFICATES.find((one) => one.what === what);
  if (found === undefined) throw new TypeError(`no such certificate: ${what}`);
  return found;
}

async function sendOne(stage: HostileStage): Promise<DialogReply> {
  using dialog = await SmtpDialog.open(stage.relay.port());
  return await sendPlainly(dialog, canaryMessage(0));
}
