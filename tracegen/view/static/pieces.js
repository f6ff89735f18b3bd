// Finds what a model meant in its text: code, formulas, bold, headings. Pure: text in, pieces with their places out.
//
//     pieces(text) -> [{kind: "text" | "code" | "fence" | "math" | "display" | "bold" | "heading", start, end, from, to}]
//
// `start` and `end` bound the piece with its delimiters, `from` and `to` what stands between them. A dollar sign is a
// delimiter by Pandoc's rule (no space inside, no digit behind) and never around two plain words in a row, which are money.
// Limits: one pass; a formula longer than LONGEST is text, as is all that follows MOST pieces, for no reader's text has so
// many; where a closing delimiter stands is looked for once.

const LONGEST = 5000;
const BOXED = 600;
const MOST = 8_000;
const FENCED = 200_000;
const OPENERS = /```|~~~|`|\\\[|\\\(|\$\$|\$|\\begin\{([a-z]+\*?)\}|\\boxed\s*\{|\*\*|^#{1,6} (?=\S)|\\\$/gm;
const ENVIRONMENTS = /^(equation|align|aligned|alignat|gather|gathered|multline|cases|array|[pbvBV]?matrix|split)\*?$/;
const MONEY = /(^|[\s,.;(])[A-Za-z]{2,} +[A-Za-z]{3,}/;

export function pieces(text, start = 0, end = text.length, inner = false) {
  const found = [];
  const within = text.slice(0, end);
  const closing = new Map();
  let at = start;
  /** Where a closing delimiter stands, or -1. */
  const close = (delimiter, from, most = LONGEST) => {
    let place = closing.get(delimiter) ?? start;
    if (place < from) {
      place = within.indexOf(delimiter, from);
      while (delimiter === "$" && place > from && text[place - 1] === "\\") place = within.indexOf("$", place + 1);
      if (place < 0) place = Infinity;
      closing.set(delimiter, place);
    }
    return place - from <= most ? place : -1;
  };
  const add = (kind, first, last, from, to) => {
    if (first > at) found.push({ kind: "text", start: at, end: first, from: at, to: first });
    found.push({ kind, start: first, end: last, from, to });
    at = last;
  };
  OPENERS.lastIndex = start;
  for (let match = OPENERS.exec(text); match && match.index < end && found.length < MOST; match = OPENERS.exec(text)) {
    const piece = opened(text, match, close, inner);
    if (piece) add(...piece);
    OPENERS.lastIndex = piece ? at : match.index + match[0].length;
  }
  if (at < end) found.push({ kind: "text", start: at, end, from: at, to: end });
  return found;
}

function opened(text, match, close, inner) {
  const [sign, environment] = match;
  const start = match.index;
  const from = start + sign.length;
  const between = (kind, delimiter, check = () => true) => {
    const to = close(delimiter, from);
    return to > from && check(text.slice(from, to)) && [kind, start, to + delimiter.length, from, to];
  };
  if (sign === "\\$") return null;
  if (sign === "```" || sign === "~~~") {
    const to = close(`\n${sign}`, from, FENCED);
    const first = text.indexOf("\n", from);
    return to > from && first >= 0 && first <= to && ["fence", start, to + 4, Math.min(first + 1, to), to];
  }
  if (sign === "`") return between("code", "`", (code) => !code.includes("\n"));
  if (sign === "\\[") return between("display", "\\]");
  if (sign === "\\(") return between("math", "\\)");
  if (sign === "$$") return between("display", "$$");
  if (sign === "$") return between("math", "$", (tex) => isTex(tex, text[from + tex.length + 1]));
  if (environment) {
    const to = ENVIRONMENTS.test(environment) ? close(`\\end{${environment}}`, from) : -1;
    return to > 0 && ["display", start, to + environment.length + 6, start, to + environment.length + 6];
  }
  if (sign.startsWith("\\boxed")) {
    const to = balanced(text, from);
    return to > 0 && ["math", start, to, start, to];
  }
  if (inner) return null;
  if (sign === "**")
    return between("bold", "**", (bold) => /^\S/.test(bold) && /\S$/.test(bold) && !bold.includes("\n\n"));
  const line = text.indexOf("\n", from);
  const to = line < 0 ? text.length : line;
  return ["heading", start, to, from, to];
}

function isTex(tex, next) {
  if (/^\s|\s$|\n\s*\n/.test(tex) || /\d/.test(next ?? "")) return false;
  return tex.includes("\\") || !MONEY.test(tex);
}

/** Where the brace that is open at `from` has its fellow: the place behind it, or -1. */
function balanced(text, from) {
  let depth = 1;
  for (let place = from; place < text.length && place - from < BOXED; place += 1) {
    if (text[place] === "\\") place += 1;
    else if (text[place] === "{") depth += 1;
    else if (text[place] === "}" && (depth -= 1) === 0) return place + 1;
  }
  return -1;
}
