/**
 * HAProxy in front of relays: it looks after their health, and tells them who the client is.
 */
import { rmSync, mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Daemon } from './daemon.ts';
import { freePorts } from './peer.ts';

export interface HaproxySetting {
  /** How it tells: `send-proxy` or `send-proxy-v2`. */
  readonly header: 'send-proxy' | 'send-proxy-v2';
  /** Ports of the relays on 127.0.0.1. */
  readonly relays: readonly number[];
  /** The address that its connections come from. */
  readonly source: string;
}

export class Haproxy implements AsyncDisposable {
  readonly port: number;
  readonly #daemon: Daemon;
  readonly #directory: string;

  private constructor(port: number, daemon: Daemon, directory: string) {
    this.port = port;
    this.#daemon = daemon;
    this.#directory = directory;
  }

  static async start(setting: HaproxySetting): Promise<Haproxy> {
    const directory = mkdtempSync(join(tmpdir(), 'sealpost-haproxy-'));
    const [port = 0] = await freePorts(1);
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, configuration(port, setting, directory));
    const daemon = await Daemon.start({
      command: 'haproxy',
      args: ['-db', '-f', file],
      ready: /Health check for server .* succeeded/,
    });
    return new Haproxy(port, daemon, directory);
  }

  /** @returns what it thinks of each relay: `UP`, `DOWN`, … */
  async health(): Promise<readonly string[]> {
    const socket = connect(join(this.#directory, 'stats'));
    socket.end('show stat -1 4 -1\n');
    let table = '';
    for await (const chunk of socket.setEncoding('utf8')) table += String(chunk);
    const rows = table.split('\n').map((line) => line.split(','));
    const column = rows[0]?.indexOf('status') ?? -1;
    return rows
      .slice(1)
      .filter((row) => row[1]?.startsWith('relay') === true)
      .map((row) => row[column] ?? '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true });
  }
}

function configuration(port: number, { header, relays, source }: HaproxySetting, directory: string): string {
  const servers = relays.map(
    (relay, at) =>
      `  server relay${at} 127.0.0.1:${relay} check inter 100ms fall 1 rise 1 ${header} source ${source}\n`,
  );
  return `global
  stats socket ${directory}/stats mode 600
  maxconn 100
  log stdout format raw daemon
defaults
  mode tcp
  log global
  option log-health-checks
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen smtp
  bind 127.0.0.1:${port}
  balance roundrobin
  option smtpchk EHLO balancer.test
${servers.join('')}`;
}
