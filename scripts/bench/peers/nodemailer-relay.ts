/**
 * A relay of two libraries: smtp-server takes a message, a pooled nodemailer transport streams it on.
 *
 * Arguments: listening port, upstream address, upstream port, name in its certificate, file of the CA.
 */
import { readFileSync } from 'node:fs';

import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';

/** As many as the largest load has sessions. */
const CONNECTIONS = 50;

const [port, host, upstreamPort, servername = '', caFile = ''] = process.argv.slice(2);
const transport = createTransport({
  pool: true,
  host: host ?? '',
  port: Number(upstreamPort),
  secure: true,
  maxConnections: CONNECTIONS,
  maxMessages: Number.POSITIVE_INFINITY,
  tls: { servername, ca: readFileSync(caFile, 'utf8') },
});

const server = new SMTPServer({
  disabledCommands: ['STARTTLS', 'AUTH'],
  disableReverseLookup: true,
  onData(stream, session, callback) {
    const { mailFrom, rcptTo } = session.envelope;
    const from = mailFrom === false ? '' : mailFrom.address;
    const to = rcptTo.map(({ address }) => address);
    transport.sendMail({ envelope: { from, to }, raw: stream }).then(
      () => callback(),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error))),
    );
  },
});
server.on('error', (error) => process.stderr.write(`${error.message}\n`));
server.listen(Number(port), '127.0.0.1');
