/**
 * A server at a socket of the file system, for those who may act as we do: nobody else can reach it.
 *
 * Guarantees: mode 0600 from the first moment on; what a process left behind that has died is replaced, and what another
 * one serves is not.
 */
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';

import { errorCode } from '../protocol/error-code.ts';
import { makeDirectory } from '../state/make-directory.ts';

/** @throws {Error} with `code`: EADDRINUSE when somebody answers there */
export async function listenAtSocket(server: Server, path: string): Promise<void> {
  await makeDirectory(dirname(path));
  if (await isDead(path)) await rm(path, { force: true });
  const listening = once(server, 'listening');
  const before = process.umask(0o177);
  try {
    server.listen(path); // binds before it returns
  } finally {
    process.umask(before);
  }
  await listening;
}

/** Whether the socket of a process that has died is there. */
async function isDead(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return errorCode(error) === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}
