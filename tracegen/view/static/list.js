// The list of traces: fetched page by page as it is scrolled, and only the rows near the window are in the document.
//
// Limits: rows have one height, measured from the first; what was fetched stays in memory until a filter changes.

import { filters, go, present } from "./address.js";
import { anchor } from "./anchor.js";
import { ask } from "./api.js";
import { fill, h, trouble } from "./dom.js";
import { badge } from "./verdict.js";
import { counted, number, percent, plainly } from "./words.js";

const PAGE = 50;
const SPARE = 8;

export class TraceList {
  constructor(frame, status) {
    this.frame = frame;
    this.status = status;
    this.list = h("ol", { class: "rows", "aria-label": "Traces" });
    this.foot = h("div", { class: "foot" });
    fill(frame, this.list, this.foot);
    this.height = 84;
    this.rows = [];
    frame.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(frame);
  }

  /** Begin anew with the filters of the address. */
  async reload() {
    this.asking?.abort();
    this.rows = [];
    this.next = null;
    this.total = undefined;
    this.drawn = null;
    this.list.replaceChildren();
    this.frame.scrollTop = 0;
    this.busy = this.failed = false;
    await this.more();
  }

  async more() {
    if (this.busy || this.next === undefined) return;
    this.busy = true;
    this.failed = false;
    this.asking = new AbortController();
    const { signal } = this.asking;
    fill(this.foot, h("p", { class: "waiting" }, this.rows.length ? "More…" : "Looking…"));
    this.frame.setAttribute("aria-busy", "true");
    const before = this.rows.length;
    try {
      while (this.next !== undefined && this.rows.length === before) {
        // a search may come back early, with nothing yet
        const page = await ask("traces", { ...filters(), limit: PAGE, after: this.next }, signal);
        this.rows.push(...page.rows);
        this.next = page.next ?? undefined;
        this.total ??= page.total;
        this.partial = page.partial;
        this.say();
      }
      fill(this.foot, this.rows.length ? null : this.nothing());
    } catch (error) {
      if (error.name === "AbortError") return;
      this.failed = true;
      fill(
        this.foot,
        trouble(error.message, () => this.more()),
      );
    }
    this.busy = false;
    this.frame.removeAttribute("aria-busy");
    this.draw(true);
  }

  say() {
    const there = this.next === undefined ? this.rows.length : null;
    const total = this.total ?? (this.partial ? null : there);
    fill(this.status, total === null ? `${number(this.rows.length)} so far` : counted(total, "trace"));
  }

  nothing() {
    const filtered = Object.keys(filters()).some((name) => name !== "sort");
    if (this.partial) {
      return h(
        "div",
        { class: "empty" },
        h("p", "None among the traces that are counted so far; the others are looked at as they come."),
      );
    }
    if (!filtered) {
      return h(
        "div",
        { class: "empty" },
        h("p", "This run has no traces yet."),
        h("p", "They appear here as soon as ", h("code", "tracegen generate"), " writes them."),
      );
    }
    const clear = () => go(Object.fromEntries(Object.keys(filters()).map((name) => [name, null])));
    return h(
      "div",
      { class: "empty" },
      h("p", "No trace fits these filters."),
      h("button", { class: "button", onclick: clear }, "Clear all filters"),
    );
  }

  /** Put the rows near the window into the document. */
  draw(anew = false) {
    const { scrollTop, clientHeight } = this.frame;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / this.height) + SPARE);
    if (anew || this.drawn?.[0] !== first || this.drawn?.[1] !== last) {
      this.drawn = [first, last];
      const open = present().trace;
      const focused = document.activeElement?.closest?.(".row")?.dataset.key;
      fill(
        this.list,
        this.rows.slice(first, last).map((row, place) => this.item(row, first + place, row.key === open)),
      );
      this.list.style.paddingTop = `${first * this.height}px`;
      this.list.style.paddingBottom = `${(this.rows.length - last) * this.height}px`;
      if (focused) this.focus(focused);
      this.measure();
    }
    if (last > this.rows.length - SPARE && this.rows.length && !this.failed) this.more();
  }

  /** The first row tells how high rows are at this size of type. */
  measure() {
    const height = this.list.firstElementChild?.offsetHeight;
    if (height && Math.abs(height - this.height) > 0.5) {
      this.height = height;
      this.draw(true);
    }
  }

  item(row, place, open) {
    return h(
      "li",
      { "aria-posinset": `${place + 1}`, "aria-setsize": `${this.total ?? -1}` },
      anchor({ trace: row.key }, { class: "row", "data-key": row.key, "aria-current": open && "true" }, face(row)),
    );
  }

  /** Open the next trace, or with -1 the one before. */
  async move(step) {
    const place = this.rows.findIndex((row) => row.key === present().trace);
    const wanted = place < 0 ? 0 : place + step;
    if (wanted >= this.rows.length) await this.more();
    const row = this.rows[wanted];
    if (!row) return;
    go({ trace: row.key }, place >= 0);
    this.reveal(wanted);
  }

  /** Put the reader on the row of a trace, where it is in the document. */
  focus(key) {
    this.list.querySelector(`[data-key="${CSS.escape(key ?? "")}"]`)?.focus({ preventScroll: true });
  }

  reveal(place) {
    const top = place * this.height;
    const { scrollTop, clientHeight } = this.frame;
    if (top < scrollTop) this.frame.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.frame.scrollTop = top + this.height - clientHeight;
    this.draw(true);
  }
}

/** What a row shows of a trace; the live page shows its latest traces in the same way. */
export function face(row) {
  const facts = [
    Number.isFinite(row.tokens) && counted(row.tokens, "token"),
    Number.isFinite(row.pass_rate) && `${percent(row.pass_rate)} pass`,
  ];
  if (row.status && row.status !== "complete" && row.status !== row.reason) facts.push(plainly(row.status));
  return [
    h(
      "span",
      { class: "top" },
      badge(row.verdict),
      h("b", row.problem_id),
      h("span", { class: "who" }, `${row.teacher} · ${row.sample}`),
    ),
    h("span", { class: "snippet" }, row.snippet ?? "…"),
    h(
      "span",
      { class: "facts" },
      row.filter && h("span", { class: "gone" }, `dropped by ${row.filter}: ${plainly(row.reason)} · `),
      facts.filter(Boolean).join(" · "),
    ),
  ];
}
