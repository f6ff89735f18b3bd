// One trace, as a page: what was asked, what was thought and answered, how it was judged, and why it was dropped.

import { anchor } from "./anchor.js";
import { h } from "./dom.js";
import { evidence } from "./evidence.js";
import { strip } from "./siblings.js";
import { factList, table } from "./table.js";
import { thinking } from "./thinking.js";
import { badge, deciding } from "./verdict.js";
import { counted, dollars, duration, moment, number, percent, plainly } from "./words.js";
import { answerLine, written } from "./written.js";

/** `held`: what the reader has chosen for all traces: `raw` text, thinking `open`. */
export function tracePage(found, held) {
  return h(
    "article",
    { class: "trace", "aria-label": `Trace of problem ${found.problem.id}` },
    head(found),
    found.drop && dropped(found.drop),
    section("Problem", problem(found, held)),
    found.prompt?.length && prompt(found.prompt),
    thinking(found.reasoning, held),
    section("Response", response(found, held)),
    section("Verdicts", verdicts(found)),
    section("Facts", facts(found)),
  );
}

function section(title, ...content) {
  return h("section", h("h2", title), content);
}

function head(found) {
  const siblings = h("div", { class: "siblings", "data-problem": found.problem.id });
  strip(siblings, found);
  return h(
    "header",
    { class: "head" },
    h("h1", found.problem.id),
    h(
      "p",
      { class: "line" },
      badge(deciding(found)),
      h("span", found.teacher),
      h("span", { class: "quiet" }, `sample ${found.sample}`),
      h("span", { class: "quiet" }, counted(found.tokens, "token")),
      fate(found),
    ),
    siblings,
  );
}

function fate(found) {
  if (found.drop) return h("span", { class: "fate gone" }, `dropped by ${found.drop.filter}`);
  return found.kept && h("span", { class: "fate" }, "in the corpus");
}

function dropped(drop) {
  return h(
    "section",
    { class: "dropped" },
    h("h2", `Dropped by ${drop.filter}: ${plainly(drop.reason)}`),
    evidence(drop.detail),
    h(
      "p",
      anchor(
        { trace: null, compare: null, reason: `${drop.filter}:${drop.reason}`, kept: null },
        "All traces dropped for this reason",
      ),
    ),
  );
}

function problem({ problem: asked }, held) {
  const about = [asked.source, asked.domain, asked.licence && `licence ${asked.licence}`].filter(Boolean);
  return [
    written(asked.statement ?? "", held),
    answerLine("Gold answer", asked.answer || "none", held),
    about.length && h("p", { class: "quiet small" }, about.join(" · ")),
  ];
}

function prompt(messages) {
  const said = messages.map((message) => [
    h("p", { class: "label" }, message.role),
    written(message.content, { raw: true }),
  ]);
  return h(
    "details",
    { class: "fold" },
    h("summary", "Prompt ", h("span", { class: "quiet" }, counted(messages.length, "message"))),
    said,
  );
}

function response(found, held) {
  if (!found.response) return h("p", { class: "quiet" }, "The teacher wrote no response.");
  const text = written(found.response, { ...held, answer: found.answer });
  if (!found.answer) return text;
  return [text, answerLine("Final answer", found.answer.text, held)];
}

function verdicts(found) {
  if (!found.verdicts.length)
    return h("p", { class: "quiet" }, "No verifier has judged this trace yet; `tracegen verify` does.");
  const row = (verdict) =>
    h(
      "tr",
      h(
        "th",
        { scope: "row" },
        verdict.verifier,
        h("span", { class: "quiet small" }, ` ${verdict.version ?? ""}`, verdict.decides ? "" : ", heard beside"),
      ),
      h("td", badge(verdict.outcome)),
      h("td", plainly(verdict.reason)),
      h("td", { class: "code" }, verdict.answer ?? "–"),
      h("td", { class: "n" }, duration(verdict.seconds)),
    );
  const details = found.verdicts.filter((verdict) => verdict.detail);
  return [
    table(["verifier", "outcome", "reason", "answer found", "time"], found.verdicts.map(row), ["time"]),
    details.map((verdict) => [
      h("p", { class: "label" }, `${verdict.verifier} says`),
      h("div", { class: "written raw" }, verdict.detail),
    ]),
  ];
}

function facts(found) {
  const rows = [
    ["model", found.model],
    found.revision && ["revision", found.revision],
    ["completion tokens", number(found.tokens)],
    ["prompt tokens", number(found.prompt_tokens)],
    ["cost", found.usd === null ? "no price" : dollars(found.usd) + (found.continued ? ", the last request" : "")],
    ["written", moment(found.time)],
    ["finish reason", found.finish_reason ?? "–"],
    ["form", plainly(found.status) + (found.forced ? ", thinking closed by force" : "")],
    ["pass rate of the problem", percent(found.pass_rate)],
    found.sampling && [
      "sampling",
      Object.entries(found.sampling)
        .filter(([, value]) => typeof value !== "object")
        .map((pair) => pair.join(" "))
        .join(", "),
    ],
    ["key", found.key],
  ];
  return factList(rows.filter(Boolean));
}
