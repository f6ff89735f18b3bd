// A table that can be scrolled on a narrow screen without the page being moved.

import { h } from "./dom.js";

export function table(titles, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${titles[0]}` },
    h("table", {}, h("thead", {}, h("tr", {}, titles.map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows)));
}
