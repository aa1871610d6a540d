/**
 * The story of one message: who brought it, what was said, which hop took it, and where the time went.
 */
import { element } from './elements.js';
import { clockTime, counted, duration, proof, size } from './words.js';

/** @typedef {import('../transactions.ts').Story} Story */

/** @param {Story} story */
export function storyParts(story) {
  return [facts(story), ...dialogue(story), ...refusals(story), ...timings(story)];
}

/** @param {Story} story */
function facts(story) {
  const { tid, client, user, helo, hop, reply, failure, phase, recipients, octets } = story;
  const who = [
    client ?? '',
    (helo ?? '') === '' ? '' : `calls itself ${helo}`,
    user === undefined ? '' : `logged in as ${user}`,
  ];
  return terms([
    ['Client', who.filter((word) => word !== '').join(', ')],
    ['Hop', hop === undefined ? '' : hopText(hop)],
    ['Answer', reply ?? ''],
    ['Failure', failure === undefined ? '' : `${failure}${phase === undefined ? '' : ` at ${phase}`}`],
    ['Recipients', recipients === undefined ? '' : String(recipients)],
    ['Size', octets === undefined ? '' : size(octets)],
    ['Id in the log', tid],
    ['Time', new Date(story.at).toLocaleString()],
  ]);
}

/** @param {import('../upstreams.ts').HopView} hop */
function hopText({ hid, host, port, proof: words, use }) {
  const [by = '', ...rest] = words.split(', ');
  const kept = use === 1 ? 'opened for it' : `kept open, message ${use} on it`;
  return `${host}:${port}, ${kept}; shown by ${proof(by)}, ${rest.join(', ')} (${hid})`;
}

/** @param {[term: string, text: string][]} pairs those without a text are left out */
function terms(pairs) {
  const known = pairs.filter(([, text]) => text !== '');
  const parts = known.flatMap(([term, text]) => [element('dt', {}, [term]), element('dd', {}, [text])]);
  return element('dl', {}, parts);
}

/** @param {Story} story */
function dialogue({ exchanges }) {
  if (exchanges === undefined || exchanges.length === 0) return [];
  const items = exchanges.map(({ command, reply, ms }) =>
    element('li', { 'data-state': /^[45]/.test(reply) ? 'bad' : 'good' }, [
      element('code', {}, [command === '.' ? '(end of the message)' : command]),
      element('span', {}, [reply]),
      element('small', {}, [duration(ms)]),
    ]),
  );
  return [
    element('h3', {}, ['What the client said, and heard']),
    element('ol', { class: 'dialogue' }, items),
  ];
}

/** @param {Story} story */
function refusals({ refusals: replies }) {
  if (replies.length === 0) return [];
  return [
    element('h3', {}, [counted(replies.length, 'recipient') + ' refused']),
    element(
      'ul',
      {},
      replies.map((reply) => element('li', {}, [reply])),
    ),
  ];
}

const PHASES = /** @type {const} */ ([
  ['waitMs', 'until there was a hop'],
  ['envelopeMs', 'sender and recipients'],
  ['contentMs', 'content'],
  ['verdictMs', "the upstream's verdict"],
]);

/** @param {Story} story */
function timings({ timings: measured }) {
  if (measured === undefined) return [];
  const rows = PHASES.flatMap(([key, words]) => {
    const ms = measured[key];
    return ms === undefined ? [] : [bar(words, ms, measured.ms)];
  });
  return [
    element('h3', {}, [`Where the time went: ${duration(measured.ms)}`]),
    ...(rows.length === 0 ? [] : [element('ul', { class: 'timings' }, rows)]),
  ];
}

/** @param {string} words @param {number} ms @param {number} all */
function bar(words, ms, all) {
  const filled = element('span', { class: 'filled' });
  filled.style.width = `${all === 0 ? 0 : Math.min(100, (ms / all) * 100)}%`;
  return element('li', {}, [
    element('span', {}, [words]),
    element('span', { class: 'track', 'aria-hidden': 'true' }, [filled]),
    element('small', {}, [duration(ms)]),
  ]);
}

/** What is said of it in the list. @param {Story} story */
export function storyLine({ at, client, hop, reply, outcome }) {
  const place = hop === undefined ? '' : `${hop.host}:${hop.port}`;
  return { time: clockTime(at), from: client ?? '', to: place, said: reply ?? '', outcome };
}
