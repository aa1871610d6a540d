/**
 * Runs cases in interleaved rounds: each round asks every system, in another order, so that what the machine does
 * meanwhile hits them all.
 */
import type { Case, StageOptions } from './cases.ts';
import { deliver, measureIdle, measureLoad } from './measure.ts';
import type { Outcome, Results } from './results.ts';
import { Stage, type PreparedPeer, type Standing, type Workshop } from './stage.ts';

export interface Plan {
  readonly cases: readonly Case[];
  readonly peers: readonly PreparedPeer[];
  readonly rounds: number;
  /** How long a round of a case takes on one system, about. */
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** Messages before anything is measured: compilers and pools need some. */
const WARM_UP = { sessions: 10, octets: 4_096, recipients: 1, pipelined: false };
const FIRST_MESSAGES = 100;
const DISTANT_MESSAGES = 200;
const MORE_MESSAGES = 3_000;
/** Who takes the first messages as fast gets more of them. */
const FAST_SECONDS = 0.3;

export async function runRounds(plan: Plan, workshop: Workshop, results: Results): Promise<void> {
  const stages = new Map<string, StageOptions>(plan.cases.map(({ stage }) => [stage.name, stage]));
  for (const options of stages.values()) {
    plan.say(`stage ${options.name}`);
    await using stage = await Stage.open(options, workshop);
    await new StageRun(plan, workshop, results, stage).run();
  }
}

class StageRun {
  readonly #plan: Plan;
  readonly #workshop: Workshop;
  readonly #results: Results;
  readonly #stage: Stage;
  readonly #standing = new Map<PreparedPeer, Standing>();

  constructor(plan: Plan, workshop: Workshop, results: Results, stage: Stage) {
    this.#plan = plan;
    this.#workshop = workshop;
    this.#results = results;
    this.#stage = stage;
  }

  async run(): Promise<void> {
    const { rounds, cases } = this.#plan;
    const here = cases.filter(({ stage }) => stage.name === this.#stage.options.name);
    for (let round = 1; round <= rounds; round += 1) {
      for (const one of here) {
        if (round > (one.rounds ?? rounds)) continue;
        for (const prepared of this.#inOrder(round)) await this.#round(one, prepared, round);
      }
    }
  }

  /** Another order each time. */
  #inOrder(round: number): readonly PreparedPeer[] {
    const { peers } = this.#plan;
    const first = (round * 3) % peers.length;
    const turned = [...peers.slice(first), ...peers.slice(0, first)];
    return round % 2 === 0 ? turned.toReversed() : turned;
  }

  async #round(one: Case, prepared: PreparedPeer, round: number): Promise<void> {
    const { peer } = prepared;
    if (one.kind === 'idle' && peer.idleClients < one.clients) return;
    if (this.#results.failure(one.name, peer.name) !== undefined) return;
    const outcome = { case: one.name, peer: peer.name, round };
    try {
      const standing = this.#standing.get(prepared) ?? (await this.#start(prepared));
      const figures =
        one.kind === 'idle'
          ? await measureIdle(this.#workshop.tools, standing, one)
          : await measureLoad(this.#workshop.tools, standing, one, this.#plan.seconds);
      standing.program.dropOutput();
      this.#record({ ...outcome, figures });
    } catch (error) {
      this.#record({ ...outcome, figures: {}, failure: reasonOf(error) });
      await this.#stop(prepared); // what it still has in a queue must not count for the next case
    }
  }

  async #start(prepared: PreparedPeer): Promise<Standing> {
    const standing = await this.#stage.start(prepared);
    this.#standing.set(prepared, standing);
    const isDistant = this.#stage.options.roundTripMs > 0;
    const { tools } = this.#workshop;
    const first = { ...WARM_UP, messages: isDistant ? DISTANT_MESSAGES : FIRST_MESSAGES };
    const { seconds } = await deliver(tools, standing, { ...first, reuse: false });
    if (isDistant || seconds > FAST_SECONDS) return standing;
    for (const reuse of [false, true])
      await deliver(tools, standing, { ...WARM_UP, messages: MORE_MESSAGES, reuse });
    return standing;
  }

  async #stop(prepared: PreparedPeer): Promise<void> {
    await this.#standing.get(prepared)?.[Symbol.asyncDispose]();
    this.#standing.delete(prepared);
  }

  #record(outcome: Outcome): void {
    this.#results.outcomes.push(outcome);
    const { figures, failure, round } = outcome;
    const shown = Object.entries(figures).map(([name, value]) => `${name} ${shortNumber(value)}`);
    this.#plan.say(`${outcome.case} ${outcome.peer} #${round}: ${failure ?? shown.join(', ')}`);
  }
}

/** One line of it: what a server printed may be long. */
function reasonOf(error: unknown): string {
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return first.slice(0, 200);
}

export function shortNumber(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return Number(value.toPrecision(3)).toString();
}
