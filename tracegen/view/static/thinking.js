// The thinking of a trace: folded, for it is long, with its length told.

import { h } from "./dom.js";
import { counted } from "./words.js";
import { written } from "./written.js";

/** `held.open`: unfolded from the start. The text is made when it is opened for the first time. */
export function thinking(text, held) {
  if (!text) return null;
  const words = text.trim().split(/\s+/).length;
  const fold = h(
    "details",
    { class: "fold thinking" },
    h(
      "summary",
      "Thinking ",
      h("span", { class: "quiet" }, `${counted(words, "word")}, ${counted(text.length, "character")}`),
    ),
  );
  const open = () => fold.open && fold.children.length === 1 && fold.append(written(text, held));
  fold.addEventListener("toggle", open);
  fold.open = held.open;
  open();
  return fold;
}
