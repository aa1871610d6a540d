/**
 * What the real mail servers have in common: an account, a mailbox, a certificate, a directory that dies with them.
 */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import type { Identity } from '../pki.ts';
import type { Maildir } from './maildir.ts';

/** A running mail server that takes submissions over TLS for b@y.test, c@y.test and d@y.test and nobody else there. */
export interface Peer extends AsyncDisposable {
  /** The user name its AUTH wants. */
  readonly user: string;
  readonly password: string;
  /** Port of implicit TLS. */
  readonly submissionsPort: number;
  /** Port of required STARTTLS. */
  readonly submissionPort: number;
  readonly maildir: Maildir;
}

/** All that a password file, a URL or a careless shell could trip over. */
export const PASSWORD = 'p@ss w:rd/100%?#&+="\'\\ü';

/** The unprivileged account of every Debian machine; mail is delivered as this user. */
export const NOBODY = 65534;

/** A directory of its own for a server; its users may pass through it, unlike through what mkdtemp makes. */
export class WorkDirectory implements Disposable {
  readonly path: string;

  constructor(name: string) {
    this.path = mkdtempSync(join(tmpdir(), `sealpost-${name}-`));
    chmodSync(this.path, 0o755);
  }

  /** Absolute path of something in it. */
  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  /** Makes a directory, owned by a user if one is given. */
  directory(name: string, owner?: number): string {
    const path = this.at(name);
    mkdirSync(path, { recursive: true });
    if (owner !== undefined) chownSync(path, owner, owner);
    return path;
  }

  /** Writes a file and the directories above it. */
  file(name: string, text: string, mode = 0o644): string {
    const path = this.at(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode });
    return path;
  }

  /** Writes key and certificate as files. */
  identity({ key, cert }: Identity, owner?: number): { readonly keyFile: string; readonly certFile: string } {
    const keyFile = this.file('tls/key.pem', key, 0o600);
    if (owner !== undefined) chownSync(keyFile, owner, owner);
    return { keyFile, certFile: this.file('tls/cert.pem', cert) };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Ports of loopback that nobody listens on, below the range from which the kernel takes ports by itself, so that no
 * connection going out takes one before the server does.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return true;
  } catch {
    return false; // taken: the caller tries another one
  }
}
