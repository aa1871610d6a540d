/**
 * What Sealpost must not be: a relay that takes TLS when it is offered, does without when it is not, and believes any
 * certificate. It speaks enough of the relay's log for the demo to run it, so that the demo can be seen to fail.
 */
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';

import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';

const upstream = new URL(process.env['SEALPOST_UPSTREAM'] ?? '');
const transport = createTransport({
  host: upstream.hostname,
  port: Number(upstream.port),
  secure: upstream.protocol === 'smtps:',
  tls: { rejectUnauthorized: false, ca: readFileSync(process.env['SEALPOST_TLS_CA_FILE'] ?? '') },
  auth: { user: upstream.username, pass: upstream.password },
});

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  onData: (stream, session, callback) => {
    void (async () => {
      const raw = await buffer(stream);
      const { mailFrom, rcptTo } = session.envelope;
      const from = mailFrom === false ? '' : mailFrom.address;
      try {
        const sent = await transport.sendMail({
          envelope: { from, to: rcptTo.map(({ address }) => address) },
          raw,
        });
        callback(null, sent.response.slice('250 '.length));
      } catch {
        callback(new Error('not delivered'));
      }
    })();
  },
});
server.on('error', () => undefined);
const listening = server.listen(0, '127.0.0.1', () => {
  const address = listening.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  console.log(JSON.stringify({ event: 'listener.started', port }));
  console.log(JSON.stringify({ event: 'hop.secured', protocol: 'TLSv1.3' }));
});
