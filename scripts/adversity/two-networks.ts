/**
 * Two network namespaces of our own with a wire between them: this process is in the near one, the upstream in the far one.
 *
 * Guarantees: nothing is changed outside the two; both are made and removed by scripts/network-faults.
 */
import { execFileSync } from 'node:child_process';

export const FAR_ADDRESS = '10.99.0.2';

export class TwoNetworks {
  readonly #far: string;

  constructor(far: string) {
    this.#far = far;
  }

  /** In front of a command that is to run on the far side. */
  get onTheFarSide(): readonly string[] {
    return ['ip', 'netns', 'exec', this.#far];
  }

  /** Packets to the far side are dropped with this probability. */
  lose(probability: number): void {
    const random = ['-m', 'statistic', '--mode', 'random', '--probability', String(probability)];
    this.#iptables(['-A', 'INPUT', ...random, '-j', 'DROP']);
    this.#iptables(['-A', 'OUTPUT', ...random, '-j', 'DROP']);
  }

  /** Nothing passes, and nobody is told. */
  part(): void {
    this.#iptables(['-A', 'INPUT', '-j', 'DROP']);
    this.#iptables(['-A', 'OUTPUT', '-j', 'DROP']);
  }

  /** Every packet to the far side is answered with RST. */
  reset(): void {
    this.#iptables(['-A', 'INPUT', '-p', 'tcp', '-j', 'REJECT', '--reject-with', 'tcp-reset']);
  }

  pull(): void {
    this.#run(['ip', 'link', 'set', 'far', 'down']);
  }

  /** @param kilobits a second */
  narrow(kilobits: number): void {
    const bucket = ['rate', `${kilobits}kbit`, 'burst', '16kb', 'latency', '400ms'];
    this.#run(['tc', 'qdisc', 'add', 'dev', 'far', 'root', 'tbf', ...bucket]);
  }

  /** @throws where the kernel cannot (it has no netem) */
  delay(milliseconds: number): void {
    this.#run(['tc', 'qdisc', 'add', 'dev', 'far', 'root', 'netem', 'delay', `${milliseconds}ms`]);
  }

  mend(): void {
    this.#iptables(['-F']);
    this.#run(['ip', 'link', 'set', 'far', 'up']);
    try {
      this.#run(['tc', 'qdisc', 'del', 'dev', 'far', 'root']);
    } catch {
      // there was none
    }
  }

  #iptables(args: readonly string[]): void {
    this.#run(['iptables', ...args]);
  }

  #run(command: readonly string[]): void {
    const [program = '', ...args] = [...this.onTheFarSide, ...command];
    execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
