"""GSM8K's test split (Cobbe et al. 2021, arXiv:2110.14168): 1,319 grade-school word problems, MIT.

Convention: a per cent sign does not count, since the golds are bare numbers.
"""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def gsm8k(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """Grade-school word problems: the test split of GSM8K.

    From the Hub's `openai/gsm8k`, or from `<benchmarks_dir>/gsm8k/test*.jsonl` (fields `question` and `answer`).
    """
    return rows.first(rows.gsm8k("test", benchmarks_dir), limit)
