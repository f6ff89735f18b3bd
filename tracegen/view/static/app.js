// The page of `tracegen view`: the list on the left, on the right the run or one of its traces, all of it in the address.

import { filters, go, onChange, present } from "./address.js";
import * as api from "./api.js";
import { fill, h, trouble } from "./dom.js";
import { Filters } from "./filters.js";
import { highlight, only } from "./found.js";
import { listenToKeys } from "./keys.js";
import { TraceList } from "./list.js";
import { headline, listen, showLive } from "./live.js";
import { named } from "./marks.js";
import { runPage, sentence } from "./run.js";
import { comparePage, forget } from "./siblings.js";
import { tracePage } from "./trace.js";
import { counted } from "./words.js";

const place = (id) => document.getElementById(id);
const list = new TraceList(place("frame"), place("status"));
const form = new Filters(place("filters"), place("chips"));
const held = { raw: false, open: false };
let run = null;
let news = null;
let narrowed = null;
let opening = null;
let indexing = null;
let listening = false;
let listed = 0; // traces there were when the list was asked for
const AGAIN = 1500; // milliseconds between two looks at an index that is being made
const PATIENCE = 10; // looks for a trace that is not there yet

/** Everything follows from the address. */
async function show() {
  const set = JSON.stringify(filters());
  form.show();
  document.body.dataset.showing = present().trace ? "pane" : "list";
  if (set !== narrowed) {
    narrowed = set;
    reload();
  } else {
    list.draw(true);
  }
  if (!place("frame").offsetParent) place("pane").focus({ preventScroll: true }); // on a phone the list is gone
  await showPane();
}

function reload() {
  listed = run.totals?.traces ?? 0;
  fill(place("fresh"));
  return list.reload();
}

async function showPane(tries = 0) {
  const { trace, compare } = present();
  opening?.abort();
  opening = new AbortController();
  const { signal } = opening;
  if (!trace) return showRun();
  place("pane").setAttribute("aria-busy", "true");
  try {
    const found = await api.trace(trace, signal);
    const page = compare
      ? await comparePage(found, held)
      : tracePage(found, { ...held, open: held.open || only(found, present().q) });
    if (signal.aborted) return;
    fill(place("pane"), page);
    place("pane").scrollTop = 0;
    highlight(place("pane"), present().q);
    document.title = named(`${found.problem.id} · ${run?.name ?? "tracegen"}`);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.absent && run?.live && tries < PATIENCE) {
      // written a moment ago, and not in the index yet
      fill(place("pane"), h("p", { class: "waiting" }, "This trace is new; a moment…"));
      setTimeout(() => signal.aborted || showPane(tries + 1), AGAIN);
      return;
    }
    fill(
      place("pane"),
      trouble(error.message, () => showPane()),
    );
  }
  place("pane").removeAttribute("aria-busy");
}

function showRun() {
  if (!run) return;
  document.title = named(`${run.name} · tracegen`);
  fill(place("pane"), runPage(run));
  if (news) showLive(place("live"), news);
}

async function loadRun() {
  try {
    run = await api.ask("run");
  } catch (error) {
    if (run) fill(place("state"), "the server does not answer");
    else fill(place("pane"), trouble(error.message, start));
    return false;
  }
  fill(place("name"), run.name);
  if (!news) fill(place("state"), run.live ? "live" : "");
  form.offer(run);
  clearTimeout(indexing);
  if (!run.index.whole && !run.index.error) indexing = setTimeout(whole, AGAIN);
  return true;
}

/** The index of a large run is made while its first rows are shown: look again until it is whole. */
async function whole() {
  const before = run.index.rows;
  if (!(await loadRun())) return;
  if (!run.live)
    fill(place("state"), run.index.whole ? "" : run.index.all ? "reading first words…" : "counting traces…");
  if (!present().trace && !run.live) showRun();
  if (list.partial && (run.index.whole || run.index.rows !== before) && list.frame.scrollTop === 0) reload();
}

async function start() {
  if (!(await loadRun())) return;
  show();
  if (run.live) follow();
}

function follow() {
  listening = true;
  listen(tell, rest, () => fill(place("state"), "no connection; trying again…"));
}

/** A page that was left open: the run may go on again, or have come further. */
async function look() {
  if (document.hidden || listening || !run || !(await loadRun())) return;
  if (run.live) return follow();
  offer(run.totals);
  if (!present().trace) showRun();
}

/** A word where the list has fallen behind; it is not moved under anybody's eyes. */
function offer(totals) {
  const fresh = (totals?.traces ?? 0) - listed;
  const label = `${counted(fresh, "new trace")}: show ${fresh === 1 ? "it" : "them"}`;
  fill(place("fresh"), fresh > 0 && h("button", { class: "button fresh", onclick: refresh }, label));
}

/** The run goes on: new figures. */
function tell(message) {
  if (!message.latest?.length) message.latest = news?.latest; // sealed a moment ago
  news = message;
  fill(place("state"), h("span", { class: "dot", "aria-hidden": "true" }), headline(message) || "live");
  offer(message.totals);
  if (!place("live")) return;
  showLive(place("live"), message);
  if (message.totals) fill(place("lead"), sentence(run, message.totals));
}

async function refresh() {
  forget();
  await loadRun();
  await reload();
}

/** The run is at rest; its index has a moment to take in the last of it. */
async function rest() {
  news = null;
  listening = false;
  setTimeout(async () => {
    await refresh();
    if (!present().trace) showRun();
  }, AGAIN);
}

function openRun() {
  go({ trace: null, compare: null });
  document.body.dataset.showing = "pane";
}

function back() {
  const { compare, trace } = present();
  if (compare) return go({ compare: null });
  if (trace) go({ trace: null });
  else document.body.dataset.showing = "list";
  list.focus(trace);
}

/** Fold or unfold the thinking, here and of the traces to come. */
function fold() {
  held.open = !held.open;
  for (const each of document.querySelectorAll("details.thinking")) each.open = held.open;
}

function setRaw() {
  held.raw = !held.raw;
  place("raw").setAttribute("aria-pressed", String(held.raw));
  if (present().trace) showPane();
}

function search() {
  document.body.dataset.showing = "list";
  place("q").focus();
  place("q").select();
}

const help = place("help");
listenToKeys(
  {
    j: ["next trace", () => list.move(1)],
    k: ["trace before", () => list.move(-1)],
    "/": ["search", search],
    o: ["unfold or fold the thinking", fold],
    r: ["text as it was written, or typeset", setRaw],
    c: [
      "side by side with its siblings, and back",
      () => present().trace && go({ compare: present().compare ? null : "1" }),
    ],
    h: ["the run: figures, funnel, cost", openRun],
    Esc: ["back", back],
    "?": ["this help", () => help.showModal()],
  },
  help,
);
place("raw").addEventListener("click", setRaw);
place("overview").addEventListener("click", openRun);
place("back").addEventListener("click", back);
place("keys").addEventListener("click", () => help.showModal());
place("next").addEventListener("click", () => list.move(1));
place("previous").addEventListener("click", () => list.move(-1));
place("pane").addEventListener("toggle", () => highlight(place("pane"), present().q), true);
document.addEventListener("visibilitychange", look);
onChange(show);
start();
