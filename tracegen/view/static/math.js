// Typesets formulas with KaTeX as they come near the window; one that cannot be, or must not, stays the TeX that it is.
//
// Limits: KaTeX is loaded with the first formula. A formula stays TeX where a command of it can hide, move or overprint what
// a reader should see, gives another command a new meaning, or is one that KaTeX leaves out unless it trusts the writer,
// and where it is nested deeper than DEEP. Colours are the page's.

import { unseen } from "./marks.js";

const HIDING = new RegExp(
  "\\\\(?:[hv]?phantom|(?:math)?[lrc]lap|smash|raisebox|rule|(?:hspace\\*?|[mh]?(?:kern|skip))\\s*\\{?\\s*-" +
    "|\\\\\\*?\\s*\\[\\s*-|cr\\s*\\[\\s*-" + // rows that are drawn over those above
    "|mathchoice|TextOrMath|@|(?:err)?message|show(?![a-z])" + // arguments that are read and not drawn
    "|[gex]?def(?![a-z])|let(?![a-z])|futurelet|(?:re|provide)?(?:new)?command|char(?![a-z])|expandafter|noexpand" +
    "|href|url|includegraphics|html[A-Z])" +
    "|(?:\\\\(?:!|neg(?:thin|med|thick)space)[\\s{}]*){3}" +
    "|(?<!\\\\)(?:\\\\{2})*%", // a comment: the reader would see less than was written
);
const OPTIONS = { trust: false, strict: "ignore", throwOnError: true, maxSize: 10, maxExpand: 300 };
const NESTING = new RegExp(
  "(?<inwards>\\{|\\\\(?:begin|left)(?![a-z]))|(?<outwards>\\}|\\\\(?:end|right)(?![a-z]))|(?<change>\\\\(?:" +
    "color|tiny|small|[a-z]+(?:size|style)|[lL]arge|LARGE|[hH]uge|rm|sf|tt|bf|it|cal)(?![a-zA-Z]))|\\\\.|&",
  "gs",
);
const [DEEP, CELLS, CHANGES] = [40, 500, 100];
const near = new IntersectionObserver(arrived, { rootMargin: "600px", scrollMargin: "600px" });
let katex = null;

/** An element that holds TeX and becomes a formula when it is looked at. */
export function formula(source, tex, display) {
  const element = document.createElement("span");
  element.className = display ? "math display" : "math";
  element.textContent = source;
  element.dataset.tex = tex;
  near.observe(element);
  return element;
}

/** Whether a formula may be typeset: it hides nothing, holds no character that is not seen, and can be laid out. */
export function honest(tex) {
  return !HIDING.test(tex) && !unseen(tex) && !endless(tex);
}

/** Chromium gives up on boxes nested a few hundred deep, and takes minutes over thousands of cells or changes of size. */
function endless(tex) {
  let [depth, cells, changes] = [0, 0, 0];
  for (const { 0: sign, groups } of tex.matchAll(NESTING)) {
    if (groups.inwards) depth += 1;
    else if (groups.outwards) depth -= 1;
    else if (groups.change) changes += 1;
    else if (sign === "&") cells += 1;
    if (depth > DEEP || cells > CELLS || changes > CHANGES) return true;
  }
  return false;
}

function arrived(entries) {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    near.unobserve(entry.target);
    typeset(entry.target);
  }
}

async function typeset(element) {
  katex ??= import("./katex/katex.min.js").then(() => globalThis.katex);
  const made = document.createElement("span");
  try {
    (await katex).render(element.dataset.tex, made, { ...OPTIONS, displayMode: element.classList.contains("display") });
  } catch (error) {
    element.classList.add("bad");
    element.title = "This TeX cannot be typeset, so it is shown as it is.";
    return;
  }
  element.title = element.dataset.tex;
  element.replaceChildren(...made.childNodes);
}
