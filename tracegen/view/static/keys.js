// The keyboard: what each key does, and the page that says so.

import { fill, h } from "./dom.js";

/** `actions`: key -> [what it does, function]. Keys typed into a field are the field's own. */
export function listenToKeys(actions, help) {
  fill(
    help,
    h("h2", { id: "help-title" }, "Keyboard"),
    h(
      "dl",
      { class: "keys" },
      Object.entries(actions).map(([key, [meaning]]) => h("div", h("dt", h("kbd", key)), h("dd", meaning))),
    ),
    h("form", { method: "dialog" }, h("button", { class: "button", autofocus: true }, "Close")),
  );
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const action = actions[event.key === "Escape" ? "Esc" : event.key];
    if (!action) return;
    event.preventDefault();
    action[1]();
  });
}
