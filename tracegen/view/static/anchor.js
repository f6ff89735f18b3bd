// A link within the page: an address that can be opened elsewhere, and followed here without loading anything anew.

import { go, link } from "./address.js";
import { h } from "./dom.js";

/** To the present view with some of it changed, as `address.link` does. */
export function anchor(changes, ...rest) {
  const [attributes, ...children] = rest[0]?.constructor === Object ? rest : [{}, ...rest];
  const follow = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(changes);
  };
  return h("a", { href: link(changes), onclick: follow, ...attributes }, ...children);
}
