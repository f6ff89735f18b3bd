// Shows characters that are not seen, or hide others, as marks that name them: bidi controls, zero width, piled accents.
//
// Every text of the page passes through here, so that none can reorder or hide what stands beside it. Joiners and
// variation selectors inside an emoji are left, for there they do what they are for.

const UNSEEN = new RegExp(
  "(?<emoji>\\p{Extended_Pictographic}(?:\\uFE0F|\\u200D\\p{Extended_Pictographic}|\\p{Emoji_Modifier})+)|(?<unseen>[" +
    "\\u0000-\\u0008\\u000B\\u000C\\u000E-\\u001F\\u007F-\\u009F" + // controls, but tab and line ends
    "\\u00AD\\u034F\\u061C\\u115F\\u1160\\u17B4\\u17B5\\u180B-\\u180F\\u3164\\uFFA0" + // fillers and soft hyphens
    "\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\uFEFF\\uFFF9-\\uFFFB" + // zero width, bidi, format
    "\\uFE00-\\uFE0F\\u{E0000}-\\u{E0FFF}" + // variation selectors and tags, which can carry a hidden text
    "\\u{1D173}-\\u{1D17A}\\u{1BCA0}-\\u{1BCA3}\\p{Cs}]|\\p{M}(?<=\\p{M}{7}))", // and accents piled up over other lines
  "gu",
);
const MOST = 2000; // marks of one text; what is behind them is named in plain text
const LINE = 200; // characters in a row after which a line may be broken: browsers take seconds to find a place in 50,000
const LONG = new RegExp(`(\\S{${LINE}})`);
const NAMES = {
  0x200b: "zero width space",
  0x200c: "zero width non-joiner",
  0x200d: "zero width joiner",
  0xfeff: "byte order mark",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x061c: "arabic letter mark",
  0x00ad: "soft hyphen",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "pop directional formatting",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2066: "left-to-right isolate",
  0x2067: "right-to-left isolate",
  0x2068: "first strong isolate",
  0x2069: "pop directional isolate",
  0x2060: "word joiner",
};

/** Whether a text holds a character that is not seen. */
export function unseen(text) {
  return runs(text).some((run) => run.mark);
}

/** A text as nodes, with marks in the place of what is not seen. */
export function marked(text) {
  const nodes = document.createDocumentFragment();
  let marks = 0;
  for (const run of runs(text)) {
    marks += run.mark ? 1 : 0;
    if (!run.mark || marks > MOST) {
      nodes.append(...breakable(run.text ?? plain(run)));
      continue;
    }
    const mark = document.createElement("span");
    mark.className = "unseen";
    mark.textContent = run.count > 1 ? `${run.mark} × ${run.count}` : run.mark;
    mark.title = NAMES[run.point] ?? "a character that is not seen, or hides others";
    nodes.append(mark);
  }
  return nodes;
}

function breakable(text) {
  const parts = text.split(LONG).filter(Boolean);
  return parts.flatMap((part) => (part.length === LINE ? [part, document.createElement("wbr")] : [part]));
}

/** The same for a place that takes text alone: an attribute, a title. */
export function named(text) {
  return runs(text)
    .map((run) => run.text ?? plain(run))
    .join("");
}

function plain({ mark, count }) {
  return count > 1 ? `[${mark} × ${count}]` : `[${mark}]`;
}

function runs(shown) {
  const text = String(shown);
  const found = [];
  let from = 0;
  const last = () => found[found.length - 1];
  for (const match of text.matchAll(UNSEEN)) {
    if (match.groups.emoji) continue;
    const point = match[0].codePointAt(0);
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    if (match.index === from && last()?.point === point) last().count += 1;
    else found.push({ mark: `U+${point.toString(16).toUpperCase().padStart(4, "0")}`, point, count: 1 });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ text: String(text).slice(from) });
  return found;
}
