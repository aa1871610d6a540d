/**
 * Draws the path: clients, Sealpost, upstreams, and the lock of each hop.
 */
import { element, lock } from './elements.js';
import { clockTime, counted, isLoopback, proof } from './words.js';

/** @typedef {import('../status.ts').Overview} Overview */
/** @typedef {import('../upstreams.ts').UpstreamView} UpstreamView */

const DAY_MS = 86_400_000;
/** Soon enough to act. */
const FEW_DAYS = 14;

/** @param {HTMLElement} place @param {Overview} overview @param {number} now milliseconds since 1970 */
export function drawPath(place, { listeners, sessions, upstreams }, now) {
  const clients = counted(sessions.all, 'session');
  place.replaceChildren(
    node('Clients', `${clients} since the start`),
    ...listeners.map((listener) => clientHop(listener)),
    node('Sealpost', 'hands on what it can secure, and nothing else'),
    element('li', { class: 'upstreams' }, [
      element('ol', {}, upstreams.length === 0 ? [unknown()] : upstreams.map((one) => branch(one, now))),
    ]),
  );
}

/** @param {string} name @param {string} text @param {string} [state] */
function node(name, text, state = 'good') {
  return element('li', { class: 'node', 'data-state': state }, [
    element('strong', {}, [name]),
    element('span', {}, [text]),
  ]);
}

/** @param {import('../status.ts').ListenerView} listener */
function clientHop({ host, port, tls }) {
  const isLocal = isLoopback(host);
  const state = tls || isLocal ? 'good' : 'note';
  let words = 'in clear on your network';
  if (tls) words = 'inside TLS';
  else if (isLocal) words = 'does not leave this machine';
  return element('li', { class: 'hop', 'data-state': state }, [
    lock(state === 'good' ? 'closed' : 'open'),
    element('span', {}, [`${host}:${port}`, element('br'), words]),
  ]);
}

function unknown() {
  return element('li', { class: 'branch', 'data-state': 'note' }, [
    element('div', { class: 'hop' }, [lock('open'), element('span', {}, ['no hop yet'])]),
    element('div', { class: 'node' }, [
      element('strong', {}, ['Upstream']),
      element('span', {}, ['a hop is secured when the first message comes']),
    ]),
  ]);
}

/** @param {UpstreamView} upstream @param {number} now */
function branch(upstream, now) {
  const { host, port, failure } = upstream;
  const state = failure === undefined ? 'good' : 'bad';
  const words = failure === undefined ? 'secured' : 'not secured';
  return element('li', { class: 'branch', 'data-state': state, 'data-upstream': `${host}:${port}` }, [
    element('div', { class: 'hop' }, [
      lock(failure === undefined ? 'closed' : 'open'),
      element('span', {}, [words]),
    ]),
    element('div', { class: 'node' }, [
      element('strong', {}, [`${host}:${port}`]),
      ...(failure === undefined ? securedLines(upstream, now) : failureLines(failure)),
    ]),
  ]);
}

/** @param {UpstreamView} upstream @param {number} now */
function securedLines({ secured }, now) {
  if (secured === undefined) return [];
  const { name, authenticatedBy, protocol, cipher, group, mechanism, notAfter } = secured;
  const login = mechanism === 'none' ? 'no login' : `logged in by ${mechanism}`;
  return [
    element('span', {}, [`is ${name}, shown by ${proof(authenticatedBy)}`]),
    element('span', {}, [[protocol, cipher, group].filter((word) => word !== '').join(' · ')]),
    daysLeft(Date.parse(notAfter), now),
    element('span', {}, [`${login}; last hop at ${clockTime(secured.at)}`]),
  ];
}

/** @param {number} end @param {number} now */
function daysLeft(end, now) {
  const days = Math.floor((end - now) / DAY_MS);
  const isSoon = days < FEW_DAYS;
  return element('span', isSoon ? { class: 'soon' } : {}, [
    `certificate: ${counted(Math.max(0, days), 'day')} left${isSoon ? ', its operator should renew it' : ''}`,
  ]);
}

/** @param {import('../upstreams.ts').HopFailure} failure */
function failureLines({ result, phase, reason, sentence, at }) {
  return [
    element('span', { class: 'why' }, [sentence]),
    element('span', {}, [`${result} at ${phase} (${reason}), ${clockTime(at)}`]),
  ];
}
