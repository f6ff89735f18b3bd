// What goes on in a run while it goes on: progress, cost, verdicts and the latest traces, about once a second.

import { anchor } from "./anchor.js";
import { fill, h } from "./dom.js";
import { face } from "./list.js";
import { mix } from "./run.js";
import { factList } from "./table.js";
import { dollars, duration, number, percent } from "./words.js";

const LATEST = 8;

/** Listen: `onNews` is told of every message, `onRest` once when the run is at rest, `onLost` when nobody answers. */
export function listen(onNews, onRest, onLost) {
  const stream = new EventSource("/api/live");
  stream.addEventListener("message", (event) => onNews(JSON.parse(event.data)));
  stream.addEventListener("error", onLost);
  stream.addEventListener("rest", () => {
    stream.close();
    onRest();
  });
}

/** The figures of the present stage, wherever in status.json's document they stand. */
export function stage(news) {
  const figures = news.figures ?? {};
  return figures.stages?.[figures.stage] ?? Object.values(figures.stages ?? {}).at(-1) ?? figures;
}

/** One line for the head of the page. */
export function headline(news) {
  const now = stage(news);
  const { done, planned } = progress(now);
  return [
    now.stage,
    planned ? `${number(done)} of ${number(planned)}` : done ? number(done) : null,
    Number.isFinite(now.cost?.usd) ? dollars(now.cost.usd) : null,
    now.seconds_left > 0 ? `about ${duration(now.seconds_left)} left` : null,
  ]
    .filter(Boolean)
    .join(" · ");
}

function progress(now) {
  return now.samples
    ? { done: now.samples.done, planned: now.samples.planned }
    : { done: now.done, planned: now.total };
}

function between({ low, high }) {
  const [least, most] = [dollars(low), dollars(high)];
  return least === most ? least : `${least} to ${most}`;
}

/** Fill the live part of the run's page. */
export function showLive(element, news) {
  if (element.contains(document.activeElement)) return; // whoever stands in it is not pushed out
  const now = stage(news);
  const { done, planned } = progress(now);
  const figures = [
    ["stage", now.stage],
    ["done", planned ? `${number(done)} of ${number(planned)}` : number(done)],
    ["time left", now.seconds_left > 0 ? `about ${duration(now.seconds_left)}` : null],
    ["tokens per second", now.tokens && number(now.tokens.per_second)],
    ["verified per minute", Number.isFinite(now.verified_per_minute) ? number(now.verified_per_minute) : null],
    ["right of the judged", Number.isFinite(now.right) ? percent(now.right) : null],
    ["cost by now", Number.isFinite(now.cost?.usd) ? dollars(now.cost.usd) : null],
    ["cost in all, expected", now.cost?.projected ? between(now.cost.projected) : null],
    ["failed requests", now.samples?.failed ? number(now.samples.failed) : null],
  ].filter(([, value]) => value);
  const share = planned ? Math.min(1, done / planned) : null;
  fill(
    element,
    h(
      "section",
      { class: "live", "aria-label": "What goes on now" },
      h("h2", h("span", { class: "dot", "aria-hidden": "true" }), "Going on now"),
      share !== null &&
        h(
          "div",
          {
            class: "track tall",
            role: "progressbar",
            "aria-valuemin": "0",
            "aria-valuemax": "100",
            "aria-valuenow": String(Math.round(100 * share)),
            "aria-label": "Samples done",
          },
          h("span", { class: "filled", style: { width: `${100 * share}%` } }),
        ),
      factList(figures),
      news.totals?.traces > 0 && [h("h3", "Verdicts"), mix(news.totals)],
      news.latest?.length > 0 && [
        h("h3", "Latest traces"),
        h(
          "ol",
          { class: "rows latest" },
          news.latest.slice(0, LATEST).map((row) => h("li", anchor({ trace: row.key }, { class: "row" }, face(row)))),
        ),
      ],
    ),
  );
}
