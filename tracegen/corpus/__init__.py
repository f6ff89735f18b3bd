"""The corpus on disk: what survived, what did not and why, and the problems, as Parquet with a card.

    corpus/  README.md  funnel.json  recipe.yaml  prompts/*.yaml  data/curated/  data/all/  data/problems/

`CorpusWriter` takes the traces one by one; `columns` says what a row holds, `shards` cuts the files, `census` counts
what they hold, `card` writes the README, `reading` reads rows back. One row of `curated` (the default) and `all` is one
trace.
"""

from tracegen.corpus.card import HUB_LICENCES, About
from tracegen.corpus.columns import ALL, CONFIGS, CURATED, GATES, PROBLEMS
from tracegen.corpus.reading import chats, shards_of
from tracegen.corpus.writer import LAYOUT, CorpusWriter

__all__ = [
    "ALL",
    "CONFIGS",
    "CURATED",
    "GATES",
    "HUB_LICENCES",
    "LAYOUT",
    "PROBLEMS",
    "About",
    "CorpusWriter",
    "chats",
    "shards_of",
]
