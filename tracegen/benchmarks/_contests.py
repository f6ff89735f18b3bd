"""What the benchmarks of the American contests share: a statement, a whole number as answer, no licence to speak of."""

from collections.abc import Iterator

from tracegen import rows
from tracegen.records import Problem


def contest(name: str, repo: str, split: str, limit: int | None, benchmarks_dir: str | None) -> Iterator[Problem]:
    """The problems of `<benchmarks_dir>/<name>/test*.jsonl`, or of the Hub's `repo`.

    The statement is called `problem`, `question` or `Problem`, and the answer `answer` or `Answer`. The contests ask
    for integers, which some copies write as 70.0 or 025. The texts are the Mathematical Association of America's.
    """
    table = rows.benchmark(f"{name}/test*.jsonl", repo, None, split, benchmarks_dir)
    for number, (where, row) in enumerate(rows.first(table, limit)):
        yield Problem(
            id=f"{name}-{row.get('id', row.get('ID', number))}",
            statement=rows.either(row, ("problem", "question", "Problem"), where),
            answer=rows.whole(rows.either(row, ("answer", "Answer"), where)),
            verifier="math",
            source=repo,
            domain="math",
        )
