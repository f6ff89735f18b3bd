"""Verification-driven sampling replayed over recorded outcomes, against a fixed number of samples a problem.

    python scripts/bench_adaptive.py                          replays scripts/outcomes/quickstart.jsonl.gz
    python scripts/bench_adaptive.py --record RUN --outcomes FILE      makes such a file from a run directory

An outcome file holds a line a problem: the tokens of its prompt, and of each sample its tokens and whether it was right
and whole. A replay shuffles each problem's samples, gives the first 16 to fixed sampling, and lets the scheduler of
`tracegen generate` draw from the same order; it hears a verdict when 64 more samples were drawn (`--in-flight`), as an
engine with that many slots would have it. Printed for each setting: problems with `stop_after` right traces, and the
tokens, each as a ratio to fixed sampling (median of all replays, and where 80 % of them lie); and what became of the
hard problems, those that less than a tenth of all recorded samples solve.
"""

import argparse
import gzip
import json
import random
import statistics
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tracegen.recipe import Schedule
from tracegen.schedule import Adaptive

OUTCOMES = Path(__file__).with_name("outcomes") / "quickstart.jsonl.gz"
FIXED = 16
HARD = 0.1
ALLOWED = 0.70


@dataclass(frozen=True)
class Recorded:
    """A problem and its samples, as the teacher gave them."""

    problem: str
    prompt_tokens: int
    tokens: Sequence[int]
    right: Sequence[int]

    @property
    def hard(self) -> bool:
        return sum(self.right) < HARD * len(self.right)


@dataclass(frozen=True)
class Spent:
    """What one replay came to."""

    solved: int
    hard: int
    """Of the solved, the hard ones."""
    tokens: int
    """Completion tokens."""
    with_prompts: int
    samples: int


@dataclass(frozen=True)
class Setting:
    """A policy: `stop_after` and `up_to` as in a recipe; `share` ends the replay at that part of fixed's tokens."""

    stop_after: int
    up_to: int
    floor: float = Schedule().floor
    share: float | None = None

    def __str__(self) -> str:
        capped = f", budget {self.share:g}" if self.share else ""
        return f"stop_after {self.stop_after}, up_to {self.up_to}, floor {self.floor:g}{capped}"


def read(path: Path) -> list[Recorded]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [Recorded(**json.loads(line)) for line in lines]


def record(run: Path, path: Path) -> None:
    """Distil a run directory whose answers are judged (`tracegen verify RUN`)."""
    from tracegen.cli import opened
    from tracegen.drawing import solves
    from tracegen.ledger import best
    from tracegen.sample import judged

    rows: dict[str, list[tuple[int, int, bool]]] = {}
    prompts: dict[str, int] = {}
    with opened(str(run), None, None) as there:
        for row in best(there.folder / "traces"):
            prompts[row["problem_id"]] = row["prompt_tokens"] or 0
        askers = list(there.teachers.values())
        for trace in judged(there.folder, problems=there.problems, askers=askers, judge=there.judge):
            if trace.verdict is not None:
                row = trace.sample, trace.tokens, solves(trace, trace.verdict)
                rows.setdefault(trace.problem_id, []).append(row)
    whole = max(map(len, rows.values()), default=0)
    partly = [problem for problem, found in rows.items() if len(found) < whole]
    for problem in partly:
        del rows[problem]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a time in the header the same run gives the same bytes.
    with path.open("wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        for problem, found in sorted(rows.items()):
            _, tokens, right = zip(*sorted(found), strict=True)
            line = Recorded(problem, prompts[problem], tokens, [int(value) for value in right])
            packed.write(json.dumps(line.__dict__).encode() + b"\n")
    left_out = f"; {len(partly)} with fewer are left out" if partly else ""
    print(f"{whole} samples of each of {len(rows)} problems{left_out}: {path}, {path.stat().st_size} bytes")


def shuffled(problems: Sequence[Recorded], seed: int) -> list[Recorded]:
    draw = random.Random(seed)
    found = []
    for one in problems:
        order = draw.sample(range(len(one.right)), len(one.right))
        tokens, right = [one.tokens[place] for place in order], [one.right[place] for place in order]
        found.append(Recorded(one.problem, one.prompt_tokens, tokens, right))
    return found


def fixed(problems: Sequence[Recorded], samples: int, stop_after: int) -> Spent:
    return spent(problems, [samples] * len(problems), stop_after)


def adaptive(problems: Sequence[Recorded], setting: Setting, in_flight: int, most: float) -> Spent:
    """The scheduler draws until it is done, or has spent `most` tokens."""
    schedule = Adaptive(len(problems), stop_after=setting.stop_after, cap=setting.up_to, floor=setting.floor)
    drawn = [0] * len(problems)
    flying: deque[tuple[int, int]] = deque()
    tokens = 0
    while True:
        which = schedule.draw() if tokens < most else None
        if which is not None:
            flying.append((which, drawn[which]))
            tokens += problems[which].tokens[drawn[which]]
            drawn[which] += 1
        if flying and (which is None or len(flying) >= in_flight):
            heard, sample = flying.popleft()
            schedule.heard(heard, bool(problems[heard].right[sample]))
        elif which is None:
            return spent(problems, drawn, setting.stop_after)


def spent(problems: Sequence[Recorded], drawn: Sequence[int], stop_after: int) -> Spent:
    solved = [one for one, count in zip(problems, drawn, strict=True) if sum(one.right[:count]) >= stop_after]
    tokens = sum(sum(one.tokens[:count]) for one, count in zip(problems, drawn, strict=True))
    prompts = sum(one.prompt_tokens * count for one, count in zip(problems, drawn, strict=True))
    return Spent(len(solved), sum(one.hard for one in solved), tokens, tokens + prompts, sum(drawn))


def settings(stop_after: int, most: int) -> Iterator[Setting]:
    """Every setting that is reported, the plainest first."""
    for up_to in sorted({FIXED, 24, 32, 48, 64}):
        if up_to <= most:
            yield Setting(stop_after, up_to)
    for share in (0.3, 0.5):
        for floor in (0.0, 0.02, 0.1):
            yield Setting(stop_after, min(32, most), floor, share)


def middle(values: Sequence[float]) -> str:
    """Median, and the tenths at both ends."""
    low, *_, high = statistics.quantiles(values, n=10, method="inclusive")
    return f"{statistics.median(values):.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--outcomes", type=Path, default=OUTCOMES)
    parser.add_argument("--record", type=Path, metavar="RUN", help="make the outcome file from this run directory")
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--stop-after", type=int, default=2)
    given = parser.parse_args()
    if given.record:
        return record(given.record, given.outcomes)
    problems = read(given.outcomes)
    most = min(len(one.right) for one in problems)
    hard = sum(one.hard for one in problems)
    rate = sum(sum(one.right) for one in problems) / sum(len(one.right) for one in problems)
    orders = [shuffled(problems, seed) for seed in range(given.replays)]
    print(
        f"{len(problems)} problems, {hard} of them hard, {most} samples each, {rate:.0%} right; {len(orders)} replays"
    )
    plain = [fixed(order, FIXED, given.stop_after) for order in orders]
    print("\n| policy | solved, against fixed | hard ones solved | tokens, against fixed | prompts included |")
    print("|:--|--:|--:|--:|--:|")
    solved, kept, tokens, prompts = (
        statistics.median(getattr(one, name) for one in plain) for name in ("solved", "hard", "tokens", "with_prompts")
    )
    print(f"| fixed n = {FIXED} | {solved:g} | {kept:g} of {hard} | {tokens:.0f} | {prompts:.0f} |")
    met = False
    for setting in settings(given.stop_after, most):
        shares = [(setting.share or float("inf")) * one.tokens for one in plain]
        ours = [adaptive(order, setting, given.in_flight, most) for order, most in zip(orders, shares, strict=True)]
        pairs = list(zip(ours, plain, strict=True))
        gained = middle([mine.solved / theirs.solved for mine, theirs in pairs])
        ratios = [mine.tokens / theirs.tokens for mine, theirs in pairs]
        whole = middle([mine.with_prompts / theirs.with_prompts for mine, theirs in pairs])
        kept = statistics.median(one.hard for one in ours)
        print(f"| {setting} | {gained} | {kept:g} of {hard} | {middle(ratios)} | {whole} |")
        as_many = all(mine.solved >= theirs.solved for mine, theirs in pairs)
        met = met or (as_many and statistics.median(ratios) <= ALLOWED)
    wanted = f"as many problems in every replay for at most {ALLOWED:g} of the tokens (median)"
    print(f"\n{wanted}: {'reached' if met else 'not reached'}")
    return sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
