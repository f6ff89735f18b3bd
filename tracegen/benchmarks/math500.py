"""MATH-500: 500 competition problems of MATH (Hendrycks et al. 2021, arXiv:2103.03874), in the split of Lightman et al.
2023 (arXiv:2305.20050), MIT.

Convention: as in the comparison of Hendrycks et al., a per cent sign does not count; the golds use it at will.
"""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def math500(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """Competition mathematics: the 500 held-out problems of MATH.

    From the Hub's `HuggingFaceH4/MATH-500`, or from `<benchmarks_dir>/math500/test.jsonl` (fields `problem`, `answer`,
    `unique_id`). Subject and level go to `extra`.
    """
    table = rows.benchmark("math500/test.jsonl", "HuggingFaceH4/MATH-500", None, "test", benchmarks_dir)
    for where, row in rows.first(table, limit):
        yield Problem(
            id=rows.require(row, "unique_id", where),
            statement=rows.require(row, "problem", where),
            answer=rows.require(row, "answer", where),
            verifier="math",
            conventions={"percent": "ignore"},
            source="HuggingFaceH4/MATH-500",
            domain="math",
            licence="mit",
            extra={name: row[name] for name in ("subject", "level") if name in row},
        )
