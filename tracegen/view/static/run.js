// The page of the run itself: what it is, what goes on, how it was judged, what the filters left, what it cost.

import { anchor } from "./anchor.js";
import { h } from "./dom.js";
import { factList, table } from "./table.js";
import { counted, dollars, duration, number, OUTCOMES, percent, plainly } from "./words.js";

export function runPage(run) {
  const totals = run.totals ?? {};
  return h(
    "article",
    { class: "run", "aria-label": `Run ${run.name}` },
    h("header", { class: "head" }, h("h1", run.name), h("p", { class: "lead", id: "lead" }, sentence(run, totals))),
    h("div", { id: "live" }),
    totals.traces > 0 && run.index.all && !run.live && h("section", h("h2", "Verdicts"), mix(totals)),
    run.funnel && h("section", h("h2", "Funnel"), funnel(run.funnel)),
    !run.funnel &&
      totals.traces > 0 &&
      h(
        "section",
        h("h2", "Funnel"),
        h("p", { class: "quiet" }, "Nothing was filtered yet; ", h("code", "tracegen curate"), " does."),
      ),
    run.teachers?.length > 0 && run.index.all && h("section", h("h2", "Teachers"), teachers(run.teachers)),
    run.scores?.length > 0 && h("section", h("h2", "Scores"), scores(run.scores)),
    run.cost && h("section", h("h2", "Cost"), cost(run.cost)),
    run.recipe &&
      h("details", { class: "fold" }, h("summary", "Recipe"), h("pre", { tabindex: "0" }, h("code", run.recipe))),
  );
}

/** What a run is, in one sentence. */
export function sentence(run, totals) {
  if (!run.index.all) return `The first ${counted(run.index.rows, "trace")}; the others are being counted.`;
  if (!totals.traces) return "Nothing has been sampled yet.";
  const corpus = run.funnel ? `; ${number(totals.kept)} of them ${totals.kept === 1 ? "is" : "are"} the corpus` : "";
  return `${counted(totals.traces, "trace")} of ${counted(totals.problems, "problem")}${corpus}.`;
}

/** One bar of all verdicts, and a legend whose words narrow the list. */
export function mix(totals) {
  const there = Object.entries(OUTCOMES)
    .map(([name, { sign, word }]) => ({ name, sign, word, count: totals[name] ?? 0 }))
    .filter((part) => part.count);
  const all = there.reduce((sum, part) => sum + part.count, 0);
  const said = there.map((part) => `${part.word} ${percent(part.count / all)}`).join(", ");
  return h(
    "div",
    { class: "mix" },
    h(
      "div",
      { class: "bar", role: "img", "aria-label": `Of ${number(all)}: ${said}` },
      there.map((part) => h("span", { class: part.name, style: { "flex-grow": String(part.count) } })),
    ),
    h(
      "ul",
      { class: "legend" },
      there.map((part) =>
        h(
          "li",
          anchor(
            { trace: null, compare: null, verdict: part.name },
            h("span", { class: `badge ${part.name}` }, h("span", { "aria-hidden": "true" }, part.sign), part.word),
          ),
          ` ${number(part.count)} `,
          h("span", { class: "quiet" }, percent(part.count / all)),
        ),
      ),
    ),
  );
}

function funnel(found) {
  const share = (count) => `${(100 * count) / Math.max(1, found.traces)}%`;
  const step = (name, count, reasons, filter) =>
    h(
      "li",
      h("div", { class: "step" }, h("span", { class: "name" }, name), h("span", { class: "n" }, number(count))),
      h(
        "div",
        { class: "track", "aria-hidden": "true" },
        h("span", { class: "filled", style: { width: share(count) } }),
      ),
      reasons.length > 0 &&
        h(
          "p",
          { class: "small quiet" },
          "dropped: ",
          reasons.map(([reason, dropped], place) => [
            place ? ", " : "",
            anchor(
              { trace: null, compare: null, kept: null, reason: `${filter}:${reason}` },
              `${plainly(reason)} ${number(dropped)}`,
            ),
          ]),
        ),
    );
  const rows = found.rows.map((row) =>
    step(
      row.filter,
      row.after,
      Object.entries(row.reasons ?? {}).sort((one, other) => other[1] - one[1]),
      row.filter,
    ),
  );
  return h("ol", { class: "funnel" }, step("all traces", found.traces, [], ""), rows);
}

function teachers(rows) {
  return table(
    ["teacher", "model", "traces"],
    rows.map((row) =>
      h(
        "tr",
        h("th", { scope: "row" }, anchor({ trace: null, compare: null, teacher: row.teacher }, row.teacher)),
        h("td", { class: "code" }, row.model),
        h("td", { class: "n" }, number(row.traces)),
      ),
    ),
  );
}

function scores(rows) {
  const figure = (row, value) =>
    row.metric === "retention"
      ? value.toFixed(2)
      : row.role === "comparison"
        ? `${value > 0 ? "+" : "−"}${(100 * Math.abs(value)).toFixed(1)} points`
        : percent(value);
  return table(
    ["benchmark", "who", "metric", "value", "95 % interval"],
    rows.map((row) =>
      h(
        "tr",
        h("th", { scope: "row" }, row.benchmark),
        h("td", row.role),
        h("td", row.metric),
        h("td", { class: "n" }, figure(row, row.value)),
        h("td", { class: "n" }, `${figure(row, row.low)} to ${figure(row, row.high)}`),
      ),
    ),
  );
}

/** Whatever the server knows of cost: dollars, tokens, seconds. */
function cost(found) {
  const said = (name, value) =>
    /usd|budget/.test(name)
      ? dollars(value)
      : /seconds/.test(name)
        ? duration(value)
        : Number.isInteger(value)
          ? number(value)
          : String(value);
  const rows = Object.entries(found).filter(([, value]) => value !== null && typeof value !== "object");
  return factList(rows.map(([name, value]) => [plainly(name).replace("usd", "dollars"), said(name, value)]));
}
