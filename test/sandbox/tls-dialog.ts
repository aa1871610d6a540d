/**
 * A raw dialog inside TLS that verifies the server against one CA.
 */
import { once } from 'node:events';
import { connect } from 'node:tls';

import { SmtpDialog } from '../support/smtp-dialog.ts';

/** Connects to localhost, verifies and reads the greeting. */
export async function connectTls(port: number, ca: string): Promise<SmtpDialog> {
  const socket = connect({ host: 'localhost', servername: 'localhost', port, ca, rejectUnauthorized: true });
  await once(socket, 'secureConnect');
  const dialog = SmtpDialog.over(socket);
  await dialog.reply();
  return dialog;
}
