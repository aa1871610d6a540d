/**
 * What a diagnosis is about, and what it may take.
 */
import type { ValidatingResolver } from '../dns/resolver.ts';
import type { Extension } from '../protocol/failure.ts';
import type { HopSurroundings } from '../upstream/open-way.ts';
import type { Target } from '../upstream/target.ts';

/** An upstream to find out about. */
export interface Subject {
  readonly target: Target;
  /** There are credentials that are not for this one. */
  readonly isWithheld: boolean;
  /** The name of the upstream that it belongs to; undefined for the one without. */
  readonly route?: string | undefined;
}

export interface DiagnosisOptions {
  readonly around: HopSurroundings;
  /** The resolver that the operator named, if any. */
  readonly validating: ValidatingResolver | undefined;
  /** A name whose signatures are wrong. */
  readonly bogusName: string;
  /** What an upstream must offer for any mail to be delivered. */
  readonly needed?: Extension | undefined;
  /** For everything, milliseconds. */
  readonly budgetMs: number;
  /** Whether one that works of those that belong together is enough, or each must. */
  readonly delivers: 'some' | 'every';
}

/** Of the budget: what one try of something may take, so that time is left to tell the verdict. */
export const ATTEMPT_SHARE = 0.3;
