/**
 * Which upstream a message goes to: rules in order, of which the first that matches decides.
 *
 * Guarantees: pure; every recipient of every message has one verdict.
 */
import type { Target } from '../upstream/target.ts';
import { matchesAny, type AddressPattern } from './address-pattern.ts';
import type { Networks } from './networks.ts';

/** One upstream, by the name that the operator gave it. */
export interface Route {
  /** Undefined for the one without a name, SEALPOST_UPSTREAM. */
  readonly name: string | undefined;
  /** In order of preference. */
  readonly targets: readonly Target[];
  /** Whether the name and the password are the client's own, and not the relay's. */
  readonly isClients?: boolean;
}

/** Mail that goes nowhere; the sentence is for the client. */
export interface RouteRefusal {
  readonly sentence: string;
}

export type Verdict = Route | RouteRefusal;

/** All that are given have to hold. */
export interface RouteConditions {
  readonly clients?: Networks | undefined;
  /** Names that clients logged in with; `*` is whoever did. */
  readonly users?: readonly string[] | undefined;
  readonly senders?: readonly AddressPattern[] | undefined;
  readonly recipients?: readonly AddressPattern[] | undefined;
}

export interface RouteRule<V> extends RouteConditions {
  readonly verdict: V;
}

/** What is known of a message at MAIL. */
export interface MessageOrigin {
  /** IP address of the client. */
  readonly client: string;
  /** The name that the client logged in with. */
  readonly user: string | undefined;
  /** Without brackets; '' for none. */
  readonly sender: string;
}

export class RouteTable {
  readonly fallback: Route;
  readonly #rules: readonly RouteRule<Verdict>[];
  /** Behind all rules. */
  readonly #behind: RecipientRoutes;

  /** @param fallback where mail goes that no rule is about */
  constructor(fallback: Route, rules: readonly RouteRule<Verdict>[] = []) {
    this.fallback = fallback;
    this.#rules = rules;
    this.#behind = new RecipientRoutes([], fallback);
  }

  /**
   * Where mail of a client may go, whatever its sender and its recipients.
   *
   * @param user undefined where it has not logged in, which it may do yet
   */
  forClient(client: string, user: string | undefined): readonly Route[] {
    const found = new Set<Route>();
    for (const { clients, users, senders, recipients, verdict } of this.#rules) {
      const isPossible = users === undefined || user === undefined || isAmong(user, users);
      if (clients?.has(client) === false || !isPossible) continue;
      if (!isRefusal(verdict)) found.add(verdict);
      const isCertain = users === undefined || user !== undefined;
      if (isCertain && (senders ?? recipients) === undefined) return [...found];
    }
    return [...found.add(this.fallback)];
  }

  /** What is left to decide when the origin is known. */
  forMessage({ client, user, sender }: MessageOrigin): RecipientRoutes {
    const matching = this.#rules.filter(
      ({ clients, users, senders }) =>
        (clients === undefined || clients.has(client)) &&
        (users === undefined || isAmong(user, users)) &&
        (senders === undefined || matchesAny(sender, senders)),
    );
    return matching.length === 0 ? this.#behind : new RecipientRoutes(matching, this.fallback);
  }
}

/** The verdicts on the recipients of one message. */
export class RecipientRoutes {
  /** What holds for all recipients but those that are refused; undefined when there are several routes. */
  readonly common: Verdict | undefined;
  readonly #rules: readonly RouteRule<Verdict>[];
  readonly #last: Verdict;

  /** @param rules those whose other conditions hold @param fallback for recipients that none of them is about */
  constructor(rules: readonly RouteRule<Verdict>[], fallback: Route) {
    const end = rules.findIndex(({ recipients }) => recipients === undefined);
    this.#rules = end < 0 ? rules : rules.slice(0, end);
    this.#last = rules[end]?.verdict ?? fallback;
    const verdicts = [...this.#rules.map(({ verdict }) => verdict), this.#last];
    const routes = new Set(verdicts.filter((verdict) => !isRefusal(verdict)));
    const [route] = routes;
    this.common = routes.size > 1 ? undefined : (route ?? this.#last);
  }

  /** @param address without brackets */
  forRecipient(address: string): Verdict {
    const rule = this.#rules.find(({ recipients = [] }) => matchesAny(address, recipients));
    return rule?.verdict ?? this.#last;
  }
}

export function isRefusal(verdict: object): verdict is RouteRefusal {
  return 'sentence' in verdict;
}

function isAmong(user: string | undefined, users: readonly string[]): boolean {
  return user !== undefined && (users.includes(user) || users.includes('*'));
}
