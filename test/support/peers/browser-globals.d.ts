/** What Playwright's types name of the DOM; nothing of it exists in Node, and no test uses it. */
interface Node {
  readonly nodeName: string;
}
interface HTMLElement extends Node {
  readonly title: string;
}
interface SVGElement extends Node {
  readonly id: string;
}
interface HTMLElementTagNameMap {
  readonly html: HTMLElement;
}
