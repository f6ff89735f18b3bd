// Says figures as people read them: the same words in the list, on the trace and on the run's page.

export const OUTCOMES = {
  right: { sign: "✓", word: "right" },
  wrong: { sign: "✗", word: "wrong" },
  unverifiable: { sign: "?", word: "unverifiable" },
  error: { sign: "!", word: "error" },
  unjudged: { sign: "·", word: "not judged" },
};

const WHOLE = new Intl.NumberFormat("en");
const CENTS = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const TINY = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** `1,234`; an en dash where there is nothing to say. */
export function number(value) {
  return Number.isFinite(value) ? WHOLE.format(Math.round(value)) : "–";
}

/** `1,234 traces`, `1 trace`. */
export function counted(value, word) {
  return `${number(value)} ${word}${value === 1 ? "" : "s"}`;
}

/** `67 %` of 0.667; below one percent and near all of it with a decimal, so that it is never rounded to 0 or 100. */
export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  const edge = share > 0 && share < 1 && (share < 0.01 || share > 0.99);
  return `${(100 * share).toFixed(edge ? 1 : 0)} %`;
}

/** `$1,234.50`, `$0.0123`; below a tenth of a cent with two figures, for a trace may cost no more. */
export function dollars(value) {
  if (!Number.isFinite(value)) return "–";
  if (value > 0 && value < 0.001) return `$${TINY.format(value)}`;
  return `$${value < 1 ? value.toFixed(value ? 4 : 2) : CENTS.format(value)}`;
}

/** `22 Nov 2026, 11:56`, of seconds since 1970, by the reader's clock. */
export function moment(seconds) {
  return Number.isFinite(seconds) ? MOMENT.format(new Date(1000 * seconds)) : "–";
}

/** `4.2 s`, `12 min`, `3 h 5 min`. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds > 0 && seconds < 0.1) return `${Math.max(1, Math.round(1000 * seconds))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `near_duplicate` as words. */
export function plainly(code) {
  return String(code ?? "").replaceAll("_", " ");
}

export function outcome(verdict) {
  return OUTCOMES[verdict] ? verdict : "unjudged";
}
