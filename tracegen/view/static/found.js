// Shows where the words that were searched for stand in the texts of the open trace.
//
// Limits: browsers without CSS highlights show nothing of it; words within a typeset formula are not marked.

const MOST = 500;

export function highlight(element, words) {
  if (!globalThis.Highlight) return;
  CSS.highlights.delete("found");
  const wanted = words?.toLowerCase();
  if (!wanted) return;
  const ranges = [];
  for (const text of element.querySelectorAll(".written")) {
    const nodes = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    while (nodes.nextNode() && ranges.length < MOST) ranges.push(...within(nodes.currentNode, wanted));
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

/** Whether a trace holds the words in its thinking only, so that they are seen when that is unfolded. */
export function only({ reasoning, response }, words) {
  const wanted = words?.toLowerCase();
  return Boolean(wanted) && !response.toLowerCase().includes(wanted) && reasoning.toLowerCase().includes(wanted);
}

function* within(node, wanted) {
  const text = node.data.toLowerCase();
  if (text.length !== node.data.length) return; // a letter whose small form is longer
  for (let place = text.indexOf(wanted); place >= 0; place = text.indexOf(wanted, place + wanted.length)) {
    const range = new Range();
    range.setStart(node, place);
    range.setEnd(node, place + wanted.length);
    yield range;
  }
}
