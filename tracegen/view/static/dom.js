// Makes elements: the only way in which this page puts a text on the screen, and it never parses one as HTML.
//
//     h("button", { class: "quiet", onclick: open, "aria-expanded": "false" }, "Open", badge)
//     h("p", "A paragraph without attributes")
//
// A string child becomes text with what is unseen marked; null and false are left out; attributes are strings, `on...` is
// a listener, and `style` is an object that is set through the DOM, as the Content-Security-Policy wants it.

import { marked, named } from "./marks.js";

export function h(tag, ...rest) {
  const [attributes, ...children] = rest[0]?.constructor === Object ? rest : [{}, ...rest];
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, set] of Object.entries(value)) element.style.setProperty(key, set);
    else element.setAttribute(name, value === true ? "" : named(value));
  }
  fill(element, ...children);
  return element;
}

/** Put these children, and nothing else, into an element. */
export function fill(element, ...children) {
  element.replaceChildren();
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : marked(String(child)));
  }
}

/** A sentence where something went wrong, with what can be done about it. */
export function trouble(sentence, again) {
  const button = again && h("button", { class: "button", onclick: again }, "Try again");
  return h("div", { class: "trouble", role: "alert" }, h("p", sentence), button);
}
