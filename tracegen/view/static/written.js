// A model's text as elements: typeset as it was meant, or, `raw`, every character as it was written.
//
// Limits: of Markdown only code, bold and headings are followed; lists, tables and links stay as they were written, and a
// link is never one that can be clicked.

import { h } from "./dom.js";
import { formula, honest } from "./math.js";
import { pieces } from "./pieces.js";
import { number } from "./words.js";

const SHOWN = 300_000; // characters at first: some 80,000 tokens; a browser needs seconds for millions

/** `answer`: start and end of the final answer in the text, counted in characters as Python counts them. */
export function written(text, held = {}) {
  if (text.length <= SHOWN) return box(text, held);
  const first = h("div", box(text.slice(0, SHOWN), held));
  const more = () => first.replaceWith(box(text, held));
  const left = number(text.length - SHOWN);
  first.append(h("button", { class: "button", onclick: more }, `Show the other ${left} characters`));
  return first;
}

function box(text, { raw = false, answer = null }) {
  const span = answer && [inUnits(text, answer.start), inUnits(text, answer.end)];
  const whole = { kind: "text", start: 0, end: text.length };
  const nodes = (raw ? [whole] : pieces(text)).map((piece) => drawn(text, piece, span));
  if (!raw) tighten(nodes);
  return h("div", { class: raw ? "written raw" : "written", dir: "auto" }, nodes);
}

/** A line that tells an answer: the gold one, or the one that was found. */
export function answerLine(label, text, held) {
  return h("p", { class: "gold" }, h("span", { class: "label" }, label), answered(text, held));
}

/** An answer, which is often TeX without its dollar signs. */
function answered(text, { raw = false } = {}) {
  const bare = !raw && /[\\^_]/.test(text) && !/\$|\n|\\[([]|[A-Za-z]{2,} [A-Za-z]{2,}/.test(text) && honest(text);
  return bare ? h("div", { class: "written" }, formula(text, text, false)) : written(text, { raw });
}

function drawn(text, piece, span) {
  const source = text.slice(piece.start, piece.end);
  const within = text.slice(piece.from, piece.to);
  const answers = span && piece.start < span[1] && span[0] < piece.end;
  if (piece.kind === "text") return answers ? around(text, piece, span) : [source];
  if (piece.kind === "bold" || piece.kind === "heading") {
    const inner = pieces(text, piece.from, piece.to, true).map((part) => drawn(text, part, span));
    return h(piece.kind === "bold" ? "strong" : "span", { class: piece.kind }, inner);
  }
  const element = special(piece.kind, source, within);
  return answers ? h("mark", { class: "answer" }, element) : element;
}

function special(kind, source, within) {
  if (kind === "code") return h("code", within);
  if (kind === "fence") return h("pre", { tabindex: "0" }, h("code", within));
  if (!honest(within))
    return h("span", { class: "math bad", title: "TeX that could hide something is shown as it is." }, source);
  return formula(source, within, kind === "display");
}

/** A stretch of text with the answer in it marked. */
function around(text, piece, [start, end]) {
  const from = Math.max(piece.start, start);
  const to = Math.min(piece.end, end);
  return [
    text.slice(piece.start, from),
    h("mark", { class: "answer" }, text.slice(from, to)),
    text.slice(to, piece.end),
  ];
}

/** A line end beside a block is the block's own. */
function tighten(nodes) {
  const block = (node) => node instanceof Element && node.matches("pre, .display, .heading, mark:has(.display)");
  nodes.forEach((node, place) => {
    if (!Array.isArray(node) || node.length !== 1) return;
    if (block(nodes[place + 1])) node[0] = node[0].replace(/\n{1,2}$/, "");
    if (block(nodes[place - 1])) node[0] = node[0].replace(/^\n{1,2}/, "");
  });
}

/** A place counted in code points, as one counted in UTF-16 units. */
function inUnits(text, points) {
  if (!/[\uD800-\uDBFF]/.test(text)) return points;
  let units = 0;
  for (let left = points; left > 0 && units < text.length; left -= 1) units += text.codePointAt(units) > 0xffff ? 2 : 1;
  return units;
}
