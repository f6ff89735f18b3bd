// All traces of one problem: as a strip of verdicts above each of them, and side by side to be compared.
//
// Limits: side by side are AT_ONCE at first, the rest on demand; the texts of each are fetched as it is shown.

import { anchor } from "./anchor.js";
import * as api from "./api.js";
import { fill, h, trouble } from "./dom.js";
import { thinking } from "./thinking.js";
import { badge } from "./verdict.js";
import { counted, outcome, OUTCOMES, percent, plainly } from "./words.js";
import { answerLine, written } from "./written.js";

const AT_ONCE = 8;
let latest = { id: null, answer: null };

/** The problem with its traces; asked for once as long as the reader stays with it. */
export function family(id) {
  if (latest.id !== id)
    latest = { id, answer: api.problem(id).catch((error) => ((latest = { id: null }), Promise.reject(error))) };
  return latest.answer;
}

/** What is known of problems may be old: forget it. */
export function forget() {
  latest = { id: null, answer: null };
}

/** Fill `element` with a sign for each sibling of a trace. */
export async function strip(element, found) {
  let known;
  try {
    known = await family(found.problem.id);
  } catch (error) {
    return fill(element, h("p", { class: "quiet small" }, error.message));
  }
  if (known.traces.length < 2)
    return fill(element, h("p", { class: "quiet small" }, "The only trace of this problem."));
  const signs = known.traces.map((row) =>
    anchor(
      { trace: row.key, compare: null },
      {
        class: `sign ${outcome(row.verdict)}${row.filter ? " gone" : ""}`,
        "aria-current": row.key === found.key && "true",
        title: `${row.teacher}, sample ${row.sample}: ${OUTCOMES[outcome(row.verdict)].word}${row.filter ? `, dropped by ${row.filter}` : ""}`,
        "aria-label": `${row.teacher}, sample ${row.sample}, ${OUTCOMES[outcome(row.verdict)].word}`,
      },
      OUTCOMES[outcome(row.verdict)].sign,
    ),
  );
  fill(
    element,
    h("p", { class: "quiet small" }, `${counted(known.traces.length, "trace")} of this problem`),
    h("nav", { class: "signs", "aria-label": "Traces of this problem" }, signs),
    anchor({ trace: found.key, compare: "1" }, { class: "button small" }, "Side by side"),
  );
}

/** The page that puts a problem's traces side by side, the open one first. */
export async function comparePage(found, held) {
  const { problem, pass_rate: rate, traces } = await family(found.problem.id);
  const rows = [...traces.filter((row) => row.key === found.key), ...traces.filter((row) => row.key !== found.key)];
  const columns = h("div", { class: "columns", tabindex: "0", role: "region", "aria-label": "Traces side by side" });
  const more = h("p", {});
  const show = (count) => {
    const there = columns.children.length;
    columns.append(...rows.slice(there, count).map((row) => column(row, row.key === found.key ? found : null, held)));
    const left = rows.length - columns.children.length;
    fill(
      more,
      left > 0 && h("button", { class: "button", onclick: () => show(rows.length) }, `Show the other ${left}`),
    );
  };
  show(AT_ONCE);
  return h(
    "article",
    { class: "trace wide", "aria-label": `Traces of problem ${problem.id}, side by side` },
    h(
      "header",
      { class: "head" },
      h("h1", problem.id),
      h(
        "p",
        { class: "line quiet" },
        counted(rows.length, "trace"),
        Number.isFinite(rate) && ` · ${percent(rate)} of the judged are right`,
      ),
      anchor({ compare: null }, { class: "button small" }, "Back to the one trace"),
    ),
    h("section", written(problem.statement ?? "", held), answerLine("Gold answer", problem.answer ?? "none", held)),
    columns,
    more,
  );
}

function column(row, known, held) {
  const body = h("div", h("p", { class: "waiting" }, "Looking…"));
  const load = async () => {
    try {
      const found = known ?? (await api.trace(row.key));
      fill(
        body,
        thinking(found.reasoning, held),
        found.response
          ? written(found.response, { ...held, answer: found.answer })
          : h("p", { class: "quiet" }, "No response."),
        found.answer && answerLine("Final answer", found.answer.text, held),
        found.verdicts
          .filter((verdict) => verdict.decides)
          .map((verdict) => h("p", { class: "quiet small" }, `${verdict.verifier}: ${plainly(verdict.reason)}`)),
      );
    } catch (error) {
      fill(body, trouble(error.message, load));
    }
  };
  load();
  return h(
    "section",
    { class: "column", "aria-label": `${row.teacher}, sample ${row.sample}` },
    h("h2", anchor({ trace: row.key, compare: null }, `${row.teacher} · ${row.sample}`)),
    h(
      "p",
      { class: "line small" },
      badge(row.verdict),
      h("span", { class: "quiet" }, counted(row.tokens, "token")),
      row.filter && h("span", { class: "fate gone" }, `dropped by ${row.filter}`),
    ),
    body,
  );
}
