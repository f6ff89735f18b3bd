// Tables and lists of facts. A table can be scrolled on a narrow screen without the page being moved.

import { h } from "./dom.js";

/** `figures`: the titles of columns that hold numbers. */
export function table(titles, rows, figures = []) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${titles[0]}` },
    h(
      "table",
      h(
        "thead",
        h(
          "tr",
          titles.map((title) => h("th", { scope: "col", class: figures.includes(title) && "n" }, title)),
        ),
      ),
      h("tbody", rows),
    ),
  );
}

/** `pairs`: what it is, and the fact. */
export function factList(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => h("div", h("dt", name), h("dd", value ?? "–"))),
  );
}
