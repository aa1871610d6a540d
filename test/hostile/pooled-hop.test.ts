/**
 * A hop that was secured once: what the upstream says on it unasked, its death, and an impostor in its place.
 */
import { strict as assert } from 'node:assert';
import { after, before, describe, test } from 'node:test';

import { canaryMessage } from '../support/hostile-canary.ts';
import { assertClearText, assertOutput, assertRefusal } from '../support/hostile-judgement.ts';
import { attacker, ENVIRONMENTS, HostileStage, sendPlainly } from '../support/hostile-stage.ts';
import { CLOSE, RESET, type Answer } from '../support/scripted-upstream.ts';
import { SmtpDialog, type DialogReply } from '../support/smtp-dialog.ts';

const ON_THE_IDLE_HOP: readonly (readonly [what: string, Answer])[] = [
  ['says 250 unasked', '250 2.1.0 Sender ok\r\n'],
  ['says 354 unasked', '354 Go ahead\r\n'],
  ['says 421', '421 4.4.2 Idle too long\r\n'],
  ['talks nonsense', 'OK\r\n'],
  ['begins a line without end', `250 ${'x'.repeat(10_000)}`],
  ['closes the connection', CLOSE],
  ['resets the connection', RESET],
];

for (const { name, variables } of ENVIRONMENTS) {
  describe(`A pooled hop, ${name}`, { timeout: 60_000 }, () => {
    let stage: HostileStage;
    before(async () => {
      stage = await HostileStage.start({ scheme: 'smtps' }, variables);
    });
    after(async () => stage.end());

    /** Sends one message to an upstream that is innocent so far, and leaves the hop in the pool. */
    async function warmUp(): Promise<void> {
      stage.begin({});
      assert.equal((await sendOne(stage)).code, 250);
      assert.equal(stage.upstream.connections.length, 1);
    }

    for (const [what, answer] of ON_THE_IDLE_HOP) {
      test(`delivers on a new hop after the upstream ${what} on the idle one`, async () => {
        await warmUp();
        stage.upstream.connections[0]?.write(answer);
        await stage.upstream.idle();
        assert.equal((await sendOne(stage)).code, 250);
        assert.equal(stage.upstream.connections.length, 2);
        assert.equal(stage.upstream.messages.length, 2);
        judge(stage);
      });
    }

    test('delivers a second message on the hop of the first', async () => {
      await warmUp();
      assert.equal((await sendOne(stage)).code, 250);
      assert.equal(stage.upstream.connections.length, 1);
      judge(stage);
    });

    test('sends nothing to an impostor that takes the place of an upstream that was verified before', async () => {
      await warmUp();
      await stage.upstream.hangUp();
      stage.begin({ identity: attacker.issue() });
      assertRefusal(await sendOne(stage), '451 4.7.5');
      await stage.upstream.idle();
      assert.equal(stage.upstream.secured, '');
      judge(stage);
    });

    test('tries a message once more when the kept hop dies at MAIL, and not a second time', async () => {
      let reset = 0;
      stage.begin({
        answer: (line) => {
          if (!line.startsWith('MAIL') || stage.upstream.messages.length === 0) return undefined;
          reset += 1;
          return RESET;
        },
      });
      assert.equal((await sendOne(stage)).code, 250);
      assertRefusal(await sendOne(stage), '451 4.4.2');
      await stage.upstream.idle(2);
      assert.equal(reset, 2);
      assert.equal(stage.upstream.messages.length, 1);
      judge(stage);
    });
  });
}

function judge({ upstream, relay }: HostileStage): void {
  assertClearText(upstream);
  assertOutput(relay);
}

async function sendOne(stage: HostileStage): Promise<DialogReply> {
  using dialog = await SmtpDialog.open(stage.relay.port());
  return await sendPlainly(dialog, canaryMessage(0));
}
