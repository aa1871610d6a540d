/**
 * The list of the last messages: newest first, filtered, searched, each with its story to open.
 *
 * Guarantees: a message keeps its element, so that neither focus nor an open story is lost when more is told of it.
 */
import { element, say } from './elements.js';
import { storyLine, storyParts } from './story.js';
import { outcomeWord } from './words.js';

/** @typedef {import('../transactions.ts').Story} Story */
/** @typedef {{ story: Story, text: string, item: HTMLLIElement, summary: HTMLElement, details: HTMLDetailsElement, told: HTMLElement, stale: boolean }} Row */

const MOST_KNOWN = 500;
const MOST_SHOWN = 100;

export class StoryList {
  /** @type {HTMLElement} */ #place;
  /** @type {HTMLElement} */ #shown;
  /** The latest last. @type {Map<string, Row>} */
  #rows = new Map();
  #filter = 'all';
  #query = '';
  #isPaused = false;
  /** Whether something else is asked for than was. */
  #isAnew = true;

  /** @param {HTMLElement} place @param {HTMLElement} shown where it is said how many there are */
  constructor(place, shown) {
    this.#place = place;
    this.#shown = shown;
  }

  /** @param {readonly Story[]} stories all there are */
  renew(stories) {
    const known = new Set(stories.map(({ tid }) => tid));
    for (const tid of this.#rows.keys()) if (!known.has(tid)) this.#rows.delete(tid);
    this.take(stories);
  }

  /** @param {readonly Story[]} stories what is new, the latest last */
  take(stories) {
    for (const story of stories) this.#put(story);
    for (const tid of this.#rows.keys()) {
      if (this.#rows.size <= MOST_KNOWN) break;
      this.#rows.delete(tid);
    }
  }

  /** What is taken is shown later. @param {boolean} isPaused */
  pause(isPaused) {
    this.#isPaused = isPaused;
  }

  /** @param {string} filter */
  filter(filter) {
    this.#filter = filter;
    this.#isAnew = true;
  }

  /** @param {string} query */
  search(query) {
    this.#query = query.trim().toLowerCase();
    this.#isAnew = true;
  }

  /** Shows what was taken, and what was asked for. */
  draw() {
    if (!this.#isPaused || this.#isAnew) this.#draw();
    this.#isAnew = false;
  }

  /** @param {Story} story */
  #put(story) {
    const row = this.#rows.get(story.tid) ?? makeRow(story);
    row.story = story;
    row.text = JSON.stringify(story).toLowerCase();
    row.stale = true;
    this.#rows.delete(story.tid);
    this.#rows.set(story.tid, row);
  }

  #draw() {
    const all = [...this.#rows.values()].toReversed();
    const matching = all.filter((row) => this.#matches(row));
    const rows = matching.slice(0, MOST_SHOWN);
    for (const row of rows) if (row.stale) drawRow(row);
    arrange(
      this.#place,
      rows.map(({ item }) => item),
    );
    say(this.#shown, shownText(all.length, matching.length, rows.length));
  }

  /** @param {Row} row */
  #matches({ story, text }) {
    const kind = groupOf(story);
    return (this.#filter === 'all' || this.#filter === kind) && text.includes(this.#query);
  }
}

/** @param {Story} story */
function groupOf({ outcome }) {
  return outcome === 'delivered' || outcome === 'kept' ? outcome : 'refused';
}

/** @param {number} known @param {number} matching @param {number} shown */
function shownText(known, matching, shown) {
  if (known === 0) return 'No message yet.';
  if (matching === 0) return 'No message is like that.';
  return shown < matching ? `The last ${shown} of ${matching}.` : '';
}

/** Moves only what does not stand where it belongs. @param {HTMLElement} place @param {readonly HTMLElement[]} items */
function arrange(place, items) {
  const wanted = new Set(items);
  for (const item of Array.from(place.children))
    if (item instanceof HTMLElement && !wanted.has(item)) item.remove();
  let next = place.firstElementChild;
  for (const item of items) {
    if (item === next) next = next.nextElementSibling;
    else place.insertBefore(item, next);
  }
}

/** @param {Story} story @returns {Row} */
function makeRow(story) {
  const [summary, told] = [element('summary'), element('div', { class: 'story' })];
  const details = element('details', {}, [summary, told]);
  const row = { story, text: '', summary, details, told, item: element('li', {}, [details]), stale: true };
  details.addEventListener('toggle', () => drawStory(row));
  return row;
}

/** @param {Row} row */
function drawRow(row) {
  const { story, summary, item } = row;
  row.stale = false;
  const { time, from, to, said, outcome } = storyLine(story);
  item.dataset['tid'] = story.tid;
  item.dataset['kind'] = groupOf(story);
  summary.replaceChildren(
    element('time', { datetime: new Date(story.at).toISOString() }, [time]),
    element('span', { class: 'outcome' }, [outcomeWord(outcome)]),
    element('span', { class: 'way' }, [to === '' ? from : `${from} → ${to}`]),
    element('span', { class: 'said' }, [said]),
  );
  drawStory(row);
}

/** Only of what is open: nobody sees the others. @param {Row} row */
function drawStory({ story, details, told }) {
  told.replaceChildren(...(details.open ? storyParts(story) : []));
}
