"""Several corpora trained on together: new traces with a replay of old data, so that the old is not forgotten.

Shape: `rows(corpus, tokenizer, parts, ...)`. An epoch holds every row of the run's own corpus once (without one, of the
part that is named first), and of each other part as many rows as its weight says against that one's: drawn by the seed
alone, none twice before all are there once. All epochs have the same rows, in another order.
Source: replaying a share of what was learned before is the plainest remedy for forgetting, and for language models
1 % to 25 % of it is enough (Scialom et al. 2022, "Fine-tuned Language Models are Continual Learners"; Ibrahim et al.
2024, "Simple and Scalable Strategies to Continually Pre-train Large Language Models").
"""

import random
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import islice

from transformers import PreTrainedTokenizerBase

from sft.data import Kept, Row, end_of_turn, keep
from sft.hygiene import Hygiene, nothing_left, report
from sft.messages import chats
from tracegen.material import OWN, Part
from tracegen.records import TracegenError


def rows(
    corpus: str,
    tokenizer: PreTrainedTokenizerBase,
    parts: Mapping[str, Part] | None = None,
    *,
    max_length: int,
    seed: int = 1,
    columns: Collection[str] = (),
) -> tuple[list[Row], Hygiene]:
    """The rows of an epoch, and what was dropped. `corpus` is the run's own; without `parts` it is all there is.

    A corpus is a run's corpus folder, a JSON lines or Parquet file, another local folder, or a name on the Hub.
    `columns` are kept among the facts of a row. Raises as `sft.data.keep` does, UsageError for a corpus without
    `messages`, and TracegenError when no row of a part is left.

    A row of another part is named `part/sample_id`; one that is drawn twice keeps its name.
    """
    named = dict(parts or {OWN: Part()})
    found: dict[str, Kept] = {}
    for name, part in named.items():
        where = part.corpus or corpus
        given = chats(where, split=part.split, revision=part.revision, columns=columns)
        found[name] = keep(islice(given, part.limit), tokenizer, max_length=max_length)
        if not found[name].rows:
            empty = report([], found[name].counts, max_length=max_length, end_of_turn="", prefilled="")
            raise TracegenError(nothing_left(where, replace(empty, refusal=found[name].refusal)))
    first = OWN if OWN in named else next(iter(named))
    unit = len(found[first].rows) / named[first].weight
    epoch: list[Row] = []
    counts: Counter[str] = Counter()
    about: dict[str, dict[str, int]] = {}
    for name, kept in found.items():
        drawn = draw(kept.rows, round(unit * named[name].weight), f"{seed} {name}")
        epoch += drawn if name == OWN else [replace(row, sample_id=f"{name}/{row.sample_id}") for row in drawn]
        counts += kept.counts
        about[name] = {"read": kept.counts["read"], "kept": len(kept.rows), "rows": len(drawn)}
    return epoch, report(
        epoch,
        counts,
        max_length=max_length,
        end_of_turn=end_of_turn(tokenizer),
        prefilled=next((kept.prefilled for kept in found.values() if kept.prefilled), ""),
        refusal=next((kept.refusal for kept in found.values() if kept.refusal), ""),
        parts=about if len(about) > 1 else None,
    )


def draw(rows: list[Row], count: int, seed: str) -> list[Row]:
    """So many of the rows, in their order, none twice before all are there once."""
    whole, rest = divmod(max(1, count), len(rows))
    chosen = sorted(random.Random(seed).sample(range(len(rows)), rest))
    return rows * whole + [rows[index] for index in chosen]
