/**
 * Sessions at a simulated provider without the relay: another program that uses the account, or a test of the simulation.
 */
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect } from 'node:tls';

import type { ProviderSimulation } from './provider-simulation.ts';
import { SmtpDialog, type DialogReply } from '../smtp-dialog.ts';

export interface RawSession {
  readonly dialog: SmtpDialog;
  /** The reply to EHLO in clear. */
  readonly before: DialogReply;
  /** The reply to EHLO inside TLS. */
  readonly inside: DialogReply;
}

/** EHLO, STARTTLS, the handshake, EHLO. */
export async function secured(simulation: ProviderSimulation, port = 587): Promise<RawSession> {
  const { address, profile, anchor } = simulation;
  const clear = await SmtpDialog.open(simulation.at(port).port, address);
  const before = await clear.command('EHLO other.example.test');
  await clear.command('STARTTLS');
  clear.socket.removeAllListeners('data');
  const [host] = profile.hosts;
  const name = isIP(host) === 0 ? { servername: host } : { host };
  const socket = connect({ socket: clear.socket, ca: [anchor], ...name });
  await once(socket, 'secureConnect');
  const dialog = SmtpDialog.over(socket);
  return { dialog, before, inside: await dialog.command('EHLO other.example.test') };
}

/** With LOGIN, as the first account. */
export async function loggedIn(simulation: ProviderSimulation): Promise<SmtpDialog> {
  const { dialog } = await secured(simulation);
  const { user, password = '' } = simulation.account;
  await dialog.command('AUTH LOGIN');
  await dialog.command(base64(user));
  const reply = await dialog.command(base64(password));
  if (reply.code !== 235) throw new Error(`not logged in: ${reply.raw}`);
  return dialog;
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
