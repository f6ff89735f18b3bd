// What is looked at stands in the address, so that a view can be shared, kept, and gone back from.
//
// Filters carry the names of `/api/traces`; `trace` is the key of the open trace, `compare` puts it beside its siblings.

export const FILTERS = [
  "q",
  "verdict",
  "kept",
  "reason",
  "teacher",
  "problem",
  "status",
  "min_tokens",
  "max_tokens",
  "min_pass",
  "max_pass",
  "sort",
];
const KNOWN = [...FILTERS, "trace", "compare"];
const listeners = [];

/** Everything that the address says, by name. */
export function present() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(KNOWN.filter((name) => query.get(name)).map((name) => [name, query.get(name)]));
}

/** The filters alone, as the server takes them. */
export function filters() {
  return Object.fromEntries(Object.entries(present()).filter(([name]) => FILTERS.includes(name)));
}

/** The address of the present view with some of it changed; null takes a part out. */
export function link(changes) {
  const next = { ...present(), ...changes };
  const query = new URLSearchParams(KNOWN.filter((name) => next[name]).map((name) => [name, next[name]]));
  return query.size ? `/?${query}` : "/";
}

/** Go there. `quietly` leaves no step to go back to: for what is typed letter by letter. */
export function go(changes, quietly = false) {
  const next = link(changes);
  if (next === location.pathname + location.search) return;
  history[quietly ? "replaceState" : "pushState"](null, "", next);
  tell();
}

export function onChange(listener) {
  listeners.push(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

addEventListener("popstate", tell);
