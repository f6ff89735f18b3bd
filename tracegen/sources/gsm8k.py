"""Grade-school word problems: GSM8K (Cobbe et al. 2021, arXiv:2110.14168), 7,473 for training, MIT."""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def gsm8k(*, split: str = "train", limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """Grade-school word problems of GSM8K, judged by `math`.

    From the Hub's `openai/gsm8k`, or from `<benchmarks_dir>/gsm8k/<split>*.jsonl` (fields `question` and `answer`).
    """
    return rows.first(rows.gsm8k(split, benchmarks_dir), limit)
