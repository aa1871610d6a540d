/**
 * Whether mail can flow through any of several processes.
 *
 * Guarantees: a process that does not answer holds nobody up whom another can answer; at most one of them opens a hop for
 * a question, however many ask at once.
 */
import type { Health, Readiness } from './health.ts';

/** One of the processes. Both answers come in bounded time. */
export interface HealthMember {
  /** What it knows without a probe; undefined when it does not answer. */
  known(): Promise<{ readonly health: Health | undefined } | undefined>;
  /** As `HealthProbe.ask`; undefined when it does not answer. */
  probe(): Promise<Health | undefined>;
}

const NOBODY: Health = { ready: false, reason: 'no-worker-answers' };

export class SharedHealth implements Readiness {
  readonly #members: () => readonly HealthMember[];
  #underWay: Promise<Health> | undefined;

  /** @param members those there are at the moment of a question */
  constructor(members: () => readonly HealthMember[]) {
    this.#members = members;
  }

  async ask(): Promise<Health> {
    const members = this.#members();
    const answers = members.map(async (member) => member.known());
    const isReady = async (answer: (typeof answers)[number]): Promise<Health> => {
      const health = (await answer)?.health;
      return health?.ready === true ? health : Promise.reject(new Error('not known to be ready'));
    };
    // The first that is ready speaks for all; whether one is not is known when all have answered.
    const ready = await Promise.any(answers.map(isReady)).catch(() => undefined);
    if (ready !== undefined) return ready;
    const answered = await Promise.all(answers);
    const prober = members.find((_member, index) => answered[index] !== undefined);
    this.#underWay ??= this.#probe(prober).finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #probe(member: HealthMember | undefined): Promise<Health> {
    return (await member?.probe()) ?? NOBODY;
  }
}
