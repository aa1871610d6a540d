/**
 * What all sessions share.
 */
import type { Log } from '../log/log.ts';
import type { Spool } from '../spool/spool.ts';
import type { RequireTlsRule } from '../upstream/parameters.ts';
import type { HopPool } from '../upstream/pool.ts';
import type { LineEndingRule } from './content.ts';
import type { DialogueTeller } from './dialogue-teller.ts';
import type { TlsFailureReply } from './failure-reply.ts';
import type { MemoryBudget } from './memory-budget.ts';
import type { HeaderRules } from './outgoing-header.ts';
import type { RouteTable } from './routes.ts';

export interface RelayContext extends HeaderRules {
  readonly pool: HopPool;
  /** What counts for transactions that begin now: another when the configuration was read anew. */
  readonly routes: RouteTable;
  readonly log: Log;
  readonly maxOctets: number;
  /** For headers that come in. */
  readonly memory: MemoryBudget;
  readonly lineEndings: LineEndingRule;
  readonly onTlsFailure: TlsFailureReply;
  readonly requireTls: RequireTlsRule;
  /** Undefined where what an upstream does not take is left to the client. */
  readonly spool?: Spool | undefined;
  /** Undefined where nobody looks at what clients said. */
  readonly dialogues?: DialogueTeller | undefined;
}
