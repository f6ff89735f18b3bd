// A verdict as it is shown, and which of a trace's verdicts counts.

import { h } from "./dom.js";
import { outcome, OUTCOMES } from "./words.js";

/** A verdict, told by sign, word and colour. */
export function badge(verdict) {
  const known = outcome(verdict);
  const { sign, word } = OUTCOMES[known];
  return h(
    "span",
    { class: `badge ${known}` },
    h("span", { "aria-hidden": "true" }, sign),
    h("span", { class: "word" }, word),
  );
}

/** The outcome that counts. */
export function deciding(found) {
  return found.verdicts.find((verdict) => verdict.decides)?.outcome;
}
