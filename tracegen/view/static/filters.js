// The form that narrows the list: every field is a parameter of the address, and the address fills the fields.

import { filters, go } from "./address.js";
import { fill, h } from "./dom.js";
import { number, OUTCOMES, plainly } from "./words.js";

const TYPED = 250; // milliseconds of silence after which what is typed is looked for
const LABELS = {
  q: "text",
  verdict: "verdict",
  kept: "kept",
  reason: "dropped by",
  teacher: "teacher",
  problem: "problem",
  status: "form",
  min_tokens: "tokens from",
  max_tokens: "tokens to",
  min_pass: "pass rate from",
  max_pass: "pass rate to",
};
const STATUSES = ["complete", "truncated", "no_reasoning", "malformed"];
const SORTS = { "": "in order", tokens: "shortest first", "-tokens": "longest first", pass: "hardest first" };

export class Filters {
  constructor(form, chips) {
    this.form = form;
    this.chips = chips;
    this.shown = {};
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => this.typed(event.target));
  }

  /** Offer what there is in this run. */
  offer(run) {
    const { verdict, fate, teacher, status, sort } = this.form.elements;
    const counts = run.verdicts ?? {};
    options(verdict, [
      ["", "any verdict"],
      ...Object.entries(OUTCOMES).map(([name, { word }]) => [name, withCount(word, counts[name])]),
    ]);
    const reasons = (run.reasons ?? []).map((row) => [
      `${row.filter}:${row.reason}`,
      withCount(`dropped: ${row.filter}, ${plainly(row.reason)}`, row.traces),
    ]);
    const totals = run.totals ?? {};
    options(fate, [
      ["", "kept or dropped"],
      ["yes", withCount("kept", totals.kept)],
      ["no", withCount("dropped", totals.dropped)],
      ...reasons,
    ]);
    options(teacher, [
      ["", "any teacher"],
      ...(run.teachers ?? []).map((row) => [row.teacher, withCount(row.teacher, row.traces)]),
    ]);
    options(status, [["", "any form"], ...STATUSES.map((name) => [name, plainly(name)])]);
    options(sort, Object.entries(SORTS));
    this.show();
  }

  /** Fill the fields with what the address says, but never the one that is being typed in. */
  show() {
    const set = filters();
    const fate = set.reason ?? set.kept ?? "";
    for (const field of this.form.elements) {
      if (!field.name || (field === document.activeElement && field.type !== "select-one")) continue;
      const value = field.name === "fate" ? fate : share(field.name, set[field.name] ?? "", 100);
      if (field.tagName === "SELECT" && value && ![...field.options].some((option) => option.value === value)) {
        field.append(h("option", { value }, value));
      }
      field.value = value;
    }
    const chosen = Object.entries(set).filter(([name]) => name !== "sort");
    fill(
      this.chips,
      chosen.map(([name, value]) => chip(name, value)),
      chosen.length > 1 && clearing(chosen),
    );
    this.chips.hidden = !chosen.length;
  }

  typed(field) {
    clearTimeout(this.waiting);
    const changes =
      field.name === "fate" ? fated(field.value) : { [field.name]: share(field.name, field.value, 0.01) || null };
    if (field.tagName === "SELECT") go(changes);
    else if (field.checkValidity()) this.waiting = setTimeout(() => go(changes, true), TYPED);
  }
}

function fated(value) {
  const whole = value === "" || value === "yes" || value === "no";
  return { kept: whole ? value || null : null, reason: whole ? null : value };
}

/** Pass rates are typed in percent and sent as shares. */
function share(name, value, factor) {
  return name.endsWith("_pass") && value !== "" ? String(Number((Number(value) * factor).toFixed(4))) : value;
}

function options(select, pairs) {
  const before = select.value;
  fill(
    select,
    pairs.map(([value, label]) => h("option", { value }, label)),
  );
  select.value = before;
}

function withCount(label, count) {
  return count === undefined || count === null ? label : `${label} (${number(count)})`;
}

function chip(name, value) {
  const shown = name === "verdict" ? (OUTCOMES[value]?.word ?? value) : share(name, value, 100);
  const said = name === "kept" ? [h("b", value === "yes" ? "kept" : "dropped")] : [`${LABELS[name]} `, h("b", shown)];
  const off = () => go({ [name]: null });
  return h(
    "button",
    { class: "chip", type: "button", onclick: off, "aria-label": `Remove the filter ${LABELS[name]} ${shown}` },
    said,
    h("span", { "aria-hidden": "true" }, " ×"),
  );
}

function clearing(chosen) {
  const off = () => go(Object.fromEntries(chosen.map(([name]) => [name, null])));
  return h("button", { class: "chip all", type: "button", onclick: off }, "clear all");
}
