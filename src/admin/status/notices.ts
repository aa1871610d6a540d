/**
 * What else an operator wants to know of: clients turned away, limits, reloads, tokens, workers.
 *
 * Guarantees: a bounded number of them; what repeats itself is counted, not listed; addresses are shown as the operator lets
 * them be, those in what upstreams and providers say included.
 */
import type { Observer } from '../../log/observer.ts';
import { withShownAddresses, type AddressShown } from '../../relay/shown-address.ts';

export interface Notice {
  /** Of the last time, milliseconds since 1970. */
  readonly at: number;
  readonly level: 'good' | 'note' | 'bad';
  readonly text: string;
  readonly times: number;
}

const MOST_NOTICES = 50;
const MOST_CHARACTERS = 300;

export class Notices {
  readonly observer: Observer;
  readonly #notices = new Map<string, Notice>();
  readonly #addresses: AddressShown;
  readonly #now: () => number;
  readonly #changed: () => void;

  constructor(addresses: AddressShown, now: () => number, changed: () => void) {
    this.#addresses = addresses;
    this.#now = now;
    this.#changed = changed;
    this.observer = {
      ...this.#ofClients(),
      ...this.#ofUpstreams(),
      ...this.#ofTheSpool(),
      ...this.#ofItself(),
    };
  }

  /** The latest last. */
  get all(): readonly Notice[] {
    return [...this.#notices.values()];
  }

  #ofClients(): Observer {
    return {
      'session.refused': ({ client, reason }) =>
        this.#tell('note', `Client ${client} was turned away: ${reason}.`),
      'session.cut': ({ client, reason }) =>
        this.#tell('note', `The session of client ${client} was ended: ${reason}.`),
      'limit.reached': ({ client, limit }) =>
        this.#tell('note', `Client ${client} has reached the limit of ${limit}.`),
      'login.refused': ({ client, reply }) =>
        this.#tell('note', `Client ${client} could not log in: ${reply}`),
    };
  }

  #ofUpstreams(): Observer {
    return {
      'hop.failed-over': ({ from, host, port, reason }) =>
        this.#tell('note', `Mail goes by ${host}:${port} instead of ${from} (${reason}).`),
      'hop.stalled': ({ host, port }) =>
        this.#tell(
          'note',
          `A large ClientHello gets lost on the way to ${host}:${port}; a smaller one is sent.`,
        ),
      'token.refused': ({ host, reason, detail }) =>
        this.#tell('bad', `${host} gives no access token: ${reason} ${detail}`),
      'token.unstored': ({ detail }) => this.#tell('bad', `The new login could not be stored: ${detail}`),
    };
  }

  #ofTheSpool(): Observer {
    return {
      'message.unspooled': ({ failure }) =>
        this.#tell('bad', `A message could not be kept in the spool (${failure}).`),
      'spool.stranded': ({ route }) =>
        this.#tell(
          'bad',
          `Messages in the spool wait for the upstream ${route}, which is not configured any more.`,
        ),
      'spool.unusable': ({ reason }) => this.#tell('bad', `The spool cannot be used: ${reason}`),
    };
  }

  #ofItself(): Observer {
    return {
      'config.reloaded': () => this.#tell('good', 'The configuration was read anew and counts.'),
      'config.refused': ({ variable, text }) =>
        this.#tell('bad', `The configuration stays as it was: ${variable} ${text}`),
      'certificate.renewed': ({ notAfter }) =>
        this.#tell('good', `The certificate for clients was renewed; it ends on ${notAfter.slice(0, 10)}.`),
      'worker.hung': ({ worker }) => this.#tell('bad', `Worker ${worker} did not answer and was ended.`),
      'worker.ended': ({ worker }) => this.#tell('bad', `Worker ${worker} ended unasked and is replaced.`),
      'process.stopping': () => this.#tell('note', 'Sealpost is stopping.'),
      'internal.error': ({ name }) =>
        this.#tell('bad', `A mistake of Sealpost itself (${name}); the log has the details.`),
    };
  }

  #tell(level: Notice['level'], said: string): void {
    const text = withShownAddresses(said, this.#addresses).slice(0, MOST_CHARACTERS);
    const times = (this.#notices.get(text)?.times ?? 0) + 1;
    this.#notices.delete(text);
    this.#notices.set(text, { at: this.#now(), level, text, times });
    const [oldest] = this.#notices.keys();
    if (oldest !== undefined && this.#notices.size > MOST_NOTICES) this.#notices.delete(oldest);
    this.#changed();
  }
}
