/**
 * Makes elements. Whatever is told of others becomes text, never markup.
 */

/**
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {readonly (Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[N]}
 */
export function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';
const SHACKLES = {
  closed: 'M7 11V8a5 5 0 0 1 10 0v3',
  open: 'M7 11V8a5 5 0 0 1 9.6-2',
};

/** A lock, for the eye; the words beside it say the same. @param {'closed' | 'open'} state */
export function lock(state) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'lock');
  const shackle = document.createElementNS(SVG, 'path');
  shackle.setAttribute('d', SHACKLES[state]);
  const body = document.createElementNS(SVG, 'rect');
  for (const [key, value] of Object.entries({ x: 5, y: 11, width: 14, height: 9, rx: 2 }))
    body.setAttribute(key, String(value));
  svg.append(shackle, body);
  return svg;
}

/** @param {string} id */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** Leaves it alone where it says so already: a live region speaks up for each change. @param {Element} place @param {string} text */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
