"""LiveCodeBench: contest problems by the date on which they were set (Jain et al. 2024, arXiv:2403.07974).

From the Hub's `livecodebench/code_generation_lite`, whose files `datasets` has no reader for, or from
`<benchmarks_dir>/livecodebench/*.jsonl` with the same fields, else from
`<benchmarks_dir>/stdio_contests/live_code_bench*.jsonl` (fields `content`, `test`).
`version` has LiveCodeBench's own names: `v6` is what its sixth release added, `release_v6` all up to there.
`after` and `before` (2025-01-31, both included) choose by date. Problems with a starter code ask for a function and go
to `code`, the others read stdin and go to `stdio`; public and private tests count alike. Most of the memory that a
release takes is tests. There are no golds. The texts belong to LeetCode, AtCoder and Codeforces.
Convention: numbers in an output are compared by value, `1.0` with 1.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tracegen import rows
from tracegen.benchmarks._contest_tests import problem, sampled
from tracegen.records import Problem, UsageError

PROMPT = "code"
LARGE = True
"""A file holds all tests of a release, up to more than a gigabyte: too much to fetch where nobody names this one."""
REPO = "livecodebench/code_generation_lite"
FILES = ("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl", "test6.jsonl")
LOCAL = "livecodebench/*.jsonl"
SAMPLE = "stdio_contests/live_code_bench*.jsonl"


def livecodebench(
    *,
    version: str = "v6",
    after: str | None = None,
    before: str | None = None,
    limit: int | None = None,
    benchmarks_dir: str | None = None,
) -> Iterator[Problem]:
    """Contest programs and functions of LiveCodeBench, by release and date."""
    return rows.first(_problems(_files(version), after or "", before or "9999", benchmarks_dir), limit)


def _problems(files: list[str], after: str, before: str, benchmarks_dir: str | None) -> Iterator[Problem]:
    for path in _paths(files, benchmarks_dir):
        for where, row in rows.json_lines(path):
            if "content" in row:
                yield sampled(row, where)
            elif after <= rows.require(row, "contest_date", where)[:10] <= before:
                yield problem(row, where)


def _paths(files: list[str], benchmarks_dir: str | None) -> Iterator[Path]:
    if benchmarks_dir is None:
        yield from (rows.hub_file(REPO, file, hint=rows.folder_hint(LOCAL)) for file in files)
    else:
        sampled = not any(Path(benchmarks_dir).glob(LOCAL)) and any(Path(benchmarks_dir).glob(SAMPLE))
        yield from rows.local(SAMPLE if sampled else LOCAL, REPO, benchmarks_dir)


def _files(version: str) -> list[str]:
    found = re.fullmatch(r"(release_)?v([1-6])", version)
    if not found:
        raise UsageError(
            f"livecodebench has no version {version!r}; it has v1 to v6 and, cumulated, release_v1 to release_v6."
        )
    last = int(found[2])
    return list(FILES[:last] if found[1] else FILES[last - 1 : last])
