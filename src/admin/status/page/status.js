/**
 * The status page: takes what the relay tells, and shows it.
 */
import { Chart } from './chart.js';
import { byId, element, say } from './elements.js';
import { StoryList } from './list.js';
import { drawPath } from './path.js';
import { clockTime, counted, duration } from './words.js';

/** @typedef {import('../status.ts').Update} Update */
/** @typedef {import('../status.ts').Overview} Overview */
/** @typedef {import('../status-stream.ts').Depth} Depth */

const AGAIN_MS = 2_000;
const REDRAW_MS = 10_000;

const chart = new Chart(byId('chart'), byId('counts'));
const list = new StoryList(byId('stories'), byId('shown'));
/** How far the relay's clock is ahead of ours. */
let aheadMs = 0;
let drawn = '';
let isDue = false;

const now = () => Date.now() + aheadMs;

function listen() {
  const source = new EventSource('/events');
  source.addEventListener('open', () => connected('live', 'live'));
  source.addEventListener('error', () => {
    connected('lost', 'reconnecting');
    // After a refusal it would not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
  });
  source.addEventListener('whole', ({ data }) => {
    const update = updateIn(data);
    chart.clear();
    list.renew(update.stories);
    take(update);
  });
  source.addEventListener('news', ({ data }) => {
    const update = updateIn(data);
    list.take(update.stories);
    take(update);
  });
  source.addEventListener('depth', ({ data }) => drawDepth(JSON.parse(data)));
}

/** With the next frame, however much comes until then. */
function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    chart.draw(now());
    list.draw();
  });
}

/** @param {string} data @returns {Update} */
function updateIn(data) {
  return JSON.parse(data);
}

/** @param {string} state @param {string} words */
function connected(state, words) {
  const place = byId('connection');
  place.dataset['state'] = state;
  say(place, words);
}

/** @param {Update} update */
function take({ now: theirs, overview, traffic }) {
  aheadMs = theirs - Date.now();
  chart.take(traffic, theirs);
  redraw();
  drawVerdict(overview.verdict);
  const { verdict: _verdict, ...rest } = overview;
  const told = JSON.stringify(rest);
  if (told === drawn) return;
  drawn = told;
  drawPath(byId('path'), overview, theirs);
  drawNotices(overview);
}

/** @param {import('../verdict.ts').Verdict} verdict */
function drawVerdict({ state, sentence, advice }) {
  const place = byId('verdict');
  place.dataset['state'] = state;
  const [title, text] = place.children;
  if (title !== undefined) say(title, sentence);
  if (text !== undefined) say(text, advice);
  document.title = `Sealpost: ${sentence}`;
}

/** @param {Overview} overview */
function drawNotices({ notices }) {
  const items = notices
    .toReversed()
    .map(({ at, level, text, times }) =>
      element('li', { 'data-state': level }, [
        element('time', { datetime: new Date(at).toISOString() }, [clockTime(at)]),
        element('span', {}, [times === 1 ? text : `${text} (${times} times)`]),
      ]),
    );
  byId('notices').replaceChildren(...(items.length === 0 ? [element('li', {}, ['Nothing.'])] : items));
}

/** @param {Depth} depth */
function drawDepth({ spool, hops }) {
  const open = `${counted(hops.idle + hops.leased, 'hop')} open, ${hops.leased} of them busy`;
  const waiting = hops.waiting > 0 ? `; ${counted(hops.waiting, 'message')} wait for one` : '';
  say(byId('depth'), `${open}${waiting}. ${spoolText(spool)}`);
}

/** @param {Depth['spool']} spool */
function spoolText(spool) {
  if (spool === undefined) return '';
  if (spool.messages === 0 || spool.oldestArrival === undefined) return 'The spool is empty.';
  const age = duration(Math.max(0, now() - spool.oldestArrival));
  return `${counted(spool.messages, 'message')} in the spool, the oldest for ${age}.`;
}

/** @param {string} id @param {(value: string) => void} choose */
function onChoice(id, choose) {
  byId(id).addEventListener('change', ({ target }) => {
    if (target instanceof HTMLInputElement) choose(target.value);
  });
}

onChoice('range', (range) => {
  chart.show(range);
  redraw();
});
onChoice('filter', (filter) => {
  list.filter(filter);
  redraw();
});
byId('search').addEventListener('input', ({ target }) => {
  if (target instanceof HTMLInputElement) list.search(target.value);
  redraw();
});
byId('pause').addEventListener('click', () => {
  const button = byId('pause');
  const isPaused = button.getAttribute('aria-pressed') !== 'true';
  button.setAttribute('aria-pressed', String(isPaused));
  list.pause(isPaused);
  redraw();
});
setInterval(redraw, REDRAW_MS);
listen();
