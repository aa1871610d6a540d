/**
 * Two network namespaces of this run's own with a round-trip time between them: kernels without netem have no other way.
 *
 * Guarantees: nothing of it is left when this process ends, in whatever way.
 */
import { execFileSync } from 'node:child_process';

import type { WorkDirectory } from '../../test/support/peers/peer.ts';
import { ExitGuard } from './exit-guard.ts';
import { Program } from './program.ts';
import type { Tools } from './tools.ts';

const MS_TO_US = 1_000;

export class DelayLine implements AsyncDisposable {
  /** Where the clients and the systems under test live. */
  readonly near = `sealpost-bench-${process.pid}-near`;
  /** Where the upstream lives. */
  readonly far = `sealpost-bench-${process.pid}-far`;
  /** The upstream's address; no packet with it leaves the two namespaces. */
  static readonly farAddress = '10.99.0.2';
  readonly #cleanup = new AsyncDisposableStack();

  private constructor() {
    this.#cleanup.use(new ExitGuard('ip netns del "$1"; ip netns del "$2"', this.near, this.far));
  }

  static async open(tools: Tools, work: WorkDirectory, roundTripMs: number): Promise<DelayLine> {
    const line = new DelayLine();
    try {
      await line.#build(tools, work, roundTripMs);
      return line;
    } catch (error) {
      await line[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup.disposeAsync();
  }

  async #build(tools: Tools, work: WorkDirectory, roundTripMs: number): Promise<void> {
    ip('netns', 'add', this.near);
    ip('netns', 'add', this.far);
    const oneWayUs = (roundTripMs / 2) * MS_TO_US;
    // Both devices are made in the near namespace, so that the machine's own never sees them.
    this.#cleanup.use(
      await Program.start({
        command: tools.delay,
        args: ['near', 'far', String(oneWayUs)],
        logFile: work.at('delay.log'),
        namespace: this.near,
        isReady: (output) => output.includes('READY'),
      }),
    );
    ip('-n', this.near, 'link', 'set', 'far', 'netns', this.far);
    setUp(this.near, 'near', '10.99.0.1/24');
    setUp(this.far, 'far', `${DelayLine.farAddress}/24`);
  }
}

function setUp(namespace: string, device: string, address: string): void {
  ip('-n', namespace, 'link', 'set', 'lo', 'up');
  ip('-n', namespace, 'addr', 'add', address, 'dev', device);
  ip('-n', namespace, 'link', 'set', device, 'up');
}

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
