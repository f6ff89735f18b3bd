// The page of the run itself: what it is, what goes on, how it was judged, what the filters left, what it cost.

import { anchor } from "./anchor.js";
import { h } from "./dom.js";
import { table } from "./table.js";
import { counted, dollars, number, OUTCOMES, percent, plainly } from "./words.js";

const WHO = { before: "student before", after: "student after" };

export function runPage(run) {
  const totals = run.totals ?? {};
  return h(
    "article",
    { class: "run", "aria-label": `Run ${run.name}` },
    h("header", { class: "head" }, h("h1", run.name), h("p", { class: "lead", id: "lead" }, sentence(run, totals))),
    run.index.error &&
      h("div", { class: "trouble", role: "alert" }, h("p", `This may be out of date: ${run.index.error}`)),
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
    run.teachers?.length > 0 && run.index.all && h("section", h("h2", "Teachers and cost"), teachers(run)),
    run.scores?.length > 0 && h("section", h("h2", "Scores"), scores(run.scores)),
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
      h("div", { class: "step" }, h("span", name), h("span", { class: "n" }, number(count))),
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
  return [
    h("p", { class: "quiet small" }, "How many traces each filter left, in the order of the recipe."),
    h("ol", { class: "funnel" }, step("all traces", found.traces, [], ""), rows),
  ];
}

/** With what each was paid for, as soon as that is added up. */
function teachers({ teachers: rows, cost }) {
  const paid = ["requests", "failed", "tokens in", "tokens out", "cost"];
  const figures = ["traces", ...(cost ? paid : [])];
  const row = (of) => {
    const told = [of.traces, of.requests, of.failed, of.input, of.output].map(number);
    const all = [...told, of.usd === null ? "no price" : dollars(of.usd)];
    return h(
      "tr",
      h("th", { scope: "row" }, anchor({ trace: null, compare: null, teacher: of.teacher }, of.teacher)),
      all.slice(0, figures.length).map((figure) => h("td", { class: "n" }, figure)),
      h("td", { class: "code" }, of.model),
    );
  };
  return [
    table(["teacher", ...figures, "model"], rows.map(row), figures),
    cost && h("p", { class: "quiet small" }, bill(cost)),
  ];
}

function bill({ usd, usd_per_right: each, no_price: without }) {
  if (usd === null) return "No price is known; a recipe tells it under prices of a teacher.";
  const right = Number.isFinite(each) ? `, ${dollars(each)} for each right trace` : "";
  const but = without.length ? `, without ${without.join(", ")}, whose price is not known` : "";
  return `${dollars(usd)} in all${right}${but}. Failed requests count, and so do continued answers.`;
}

function scores(rows) {
  const points = (row) => row.role === "comparison" && row.metric !== "retention";
  const figure = (row, value) =>
    points(row) ? `${value < 0 ? "−" : "+"}${(100 * Math.abs(value)).toFixed(1)}` : percent(value);
  return table(
    ["benchmark", "who", "metric", "value", "95 % interval"],
    rows.map((row) =>
      h(
        "tr",
        h("th", { scope: "row" }, row.benchmark),
        h("td", WHO[row.role] ?? row.role),
        h("td", row.metric),
        h("td", { class: "n" }, figure(row, row.value) + (points(row) ? " points" : "")),
        h("td", { class: "n" }, `${figure(row, row.low)} to ${figure(row, row.high)}`),
      ),
    ),
    ["value", "95 % interval"],
  );
}
