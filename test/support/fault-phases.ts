/**
 * The moments at which a fault can strike, and how each is known: from the upstream's script, or from what the proxy sees.
 */
import type { FaultProxy, Link, Way } from './fault-proxy.ts';
import { GOOD_KEYWORDS, type Connection, type Script } from './scripted-upstream.ts';

/** How the hop is made. */
export interface Manner {
  readonly title: string;
  readonly mode: Script['mode'];
  readonly keywords: readonly string[];
  /** The hop has carried a message already when the fault comes. */
  readonly isKept: boolean;
  /** SEALPOST_SPOOL is set. */
  readonly isSpooled: boolean;
  readonly phases: readonly PhaseName[];
}

export type PhaseName =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'handshake'
  | 'ehlo in TLS'
  | 'auth'
  | 'idle'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'body'
  | 'final';

/** Does the fault to a link; `after` that many octets have gone up, or now. */
export type Strike = (link: Link, way: Way, after?: number) => void;

const INSIDE: readonly PhaseName[] = ['auth', 'mail', 'rcpt', 'data', 'body', 'final'];

export const MANNERS: readonly Manner[] = [
  {
    title: 'Implicit TLS, a new hop, content by DATA',
    mode: 'implicit',
    keywords: GOOD_KEYWORDS,
    isKept: false,
    isSpooled: false,
    phases: ['connect', 'handshake', 'greeting', 'ehlo in TLS', ...INSIDE],
  },
  {
    title: 'STARTTLS, a new hop, content by BDAT',
    mode: 'starttls',
    keywords: [...GOOD_KEYWORDS, 'CHUNKING'],
    isKept: false,
    isSpooled: false,
    // DATA is never said to an upstream with CHUNKING.
    phases: [
      'connect',
      'greeting',
      'ehlo',
      'starttls',
      'handshake',
      'ehlo in TLS',
      ...INSIDE.filter((phase) => phase !== 'data'),
    ],
  },
  {
    title: 'A kept hop, implicit TLS, content by DATA',
    mode: 'implicit',
    keywords: GOOD_KEYWORDS,
    isKept: true,
    isSpooled: false,
    phases: ['idle', ...INSIDE.filter((phase) => phase !== 'auth')],
  },
  {
    title: 'With a spool: implicit TLS, a new hop, content by DATA',
    mode: 'implicit',
    keywords: GOOD_KEYWORDS,
    isKept: false,
    isSpooled: true,
    phases: ['connect', 'handshake', 'greeting', 'ehlo in TLS', ...INSIDE],
  },
];

/** So much of the content gets through. */
const BODY_OCTETS = 30_000;
const TLS_HANDSHAKE = 0x16;

/** Arms the proxy, where the phase shows on the wire, and gives what the upstream's script has to add. */
export function armed(phase: PhaseName, proxy: FaultProxy, strike: Strike): Partial<Script> {
  const down = (at: Connection): void => strike(proxy.linkOf(at.raw), 'down');
  switch (phase) {
    case 'connect':
      proxy.onLink = (link) => strike(link, 'down');
      return {};
    case 'handshake':
      proxy.onOctets = (piece, link) => {
        if (piece[0] === TLS_HANDSHAKE) strike(link, 'down');
      };
      return {};
    case 'greeting':
      return { onConnection: (at) => at.script.mode === 'starttls' && down(at), onSecure: onGreeting(down) };
    case 'ehlo':
      return atCommand(/^EHLO/, (at) => !at.secure && down(at));
    case 'starttls':
      return atCommand(/^STARTTLS/, down);
    case 'ehlo in TLS':
      return atCommand(/^EHLO/, (at) => at.secure && down(at));
    case 'auth':
    case 'mail':
    case 'rcpt':
    case 'data':
      return atCommand(new RegExp(`^${phase}`, 'i'), down);
    case 'body':
      return atCommand(/^RCPT/, (at) => strike(proxy.linkOf(at.raw), 'up', BODY_OCTETS));
    case 'final':
      return {
        verdict: (_message, at) => {
          down(at);
          return '250 2.0.0 Queued\r\n';
        },
      };
    case 'idle':
      for (const link of proxy.links) strike(link, 'down');
      return {};
  }
}

/** Inside TLS the greeting follows the handshake; after STARTTLS there is none. */
function onGreeting(act: (at: Connection) => void): (at: Connection) => void {
  return (at) => {
    if (at.script.mode === 'implicit') act(at);
  };
}

function atCommand(pattern: RegExp, act: (at: Connection) => unknown): Partial<Script> {
  return {
    answer: (line, at) => {
      if (pattern.test(line)) act(at);
      return undefined;
    },
  };
}
