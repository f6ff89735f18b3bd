// What a filter noted when it dropped a trace, whatever its shape: texts side by side, a twin as a link, figures in a list.
//
// A key of another trace is known by its look; `TEXT` characters make a string something to be read beside its fellow.

import { anchor } from "./anchor.js";
import { h } from "./dom.js";
import { factList } from "./table.js";
import { plainly } from "./words.js";

const KEY = /^[0-9a-f]{24,64}$/;
const TEXT = 24;
const RUN = 3;
const NAMES = {
  theirs: "the benchmark says",
  ours: "here it says",
  kept: "kept instead",
  twin: "kept instead",
  start: "from character",
  end: "to character",
};

export function evidence(detail) {
  if (detail === null || detail === undefined) return null;
  if (Array.isArray(detail))
    return detail.every(simple)
      ? h(
          "p",
          detail.map((part, place) => [place ? ", " : "", shown(part)]),
        )
      : detail.map((part) => evidence(part));
  if (simple(detail)) return h("p", { class: "written raw" }, detail);
  const entries = Object.entries(detail).filter(([, value]) => value !== null && value !== "");
  const texts = entries.filter(([, value]) => typeof value === "string" && value.length > TEXT && !KEY.test(value));
  const nested = entries.filter(([, value]) => !simple(value));
  const short = entries.filter((entry) => !texts.includes(entry) && !nested.includes(entry));
  return h(
    "div",
    { class: "evidence" },
    short.length > 0 && factList(short.map(([name, value]) => [called(name), shown(value)])),
    texts.length > 0 &&
      h(
        "div",
        { class: "beside" },
        texts.map(([name, text]) =>
          h(
            "figure",
            h("figcaption", { class: "label" }, called(name)),
            h(
              "div",
              { class: "written raw" },
              common(
                text,
                texts.filter(([other]) => other !== name),
              ),
            ),
          ),
        ),
      ),
    nested.map(([name, value]) => [h("p", { class: "label" }, called(name)), evidence(value)]),
  );
}

function called(name) {
  return NAMES[name] ?? plainly(name);
}

function simple(value) {
  return typeof value !== "object" || value === null;
}

function shown(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  if (typeof value !== "string" || !KEY.test(value)) return value;
  return anchor({ trace: value, compare: null }, { title: value }, `trace ${value.slice(0, 12)}…`);
}

/** A text with the words marked that stand in the other texts too, in runs of RUN or more. */
function common(text, beside) {
  if (!beside.length) return text;
  const others = new Set(beside.flatMap(([, other]) => runs(bare(other))));
  const parts = text.split(/(\s+)/);
  const words = parts.map((part) => bare(part).join(" "));
  const marks = new Set();
  const spoken = words.map((word, place) => (word ? place : -1)).filter((place) => place >= 0);
  runs(spoken.map((place) => words[place])).forEach((run, first) => {
    if (others.has(run)) for (const place of spoken.slice(first, first + RUN)) marks.add(place);
  });
  spoken.forEach((place, nth) => {
    // what stands between two marked words is marked with them
    if (marks.has(place) && marks.has(spoken[nth + 1]))
      for (let gap = place + 1; gap < spoken[nth + 1]; gap += 1) marks.add(gap);
  });
  const stretches = [];
  parts.forEach((part, place) => {
    const shared = marks.has(place);
    if (stretches.at(-1)?.shared === shared) stretches.at(-1).text += part;
    else stretches.push({ shared, text: part });
  });
  return stretches.map(({ shared, text: stretch }) => (shared ? h("mark", stretch) : stretch));
}

function runs(words) {
  return words.slice(RUN - 1).map((_, first) => words.slice(first, first + RUN).join(" "));
}

function bare(text) {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
