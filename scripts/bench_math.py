"""Pairs per second of the math verifier against math-verify alone, and the slowest verdict on hostile strings.

    python scripts/bench_math.py FOLDER [--pairs 2000] [--equal 0.2] [--blocks 5] [--workers 2] [--json]

FOLDER holds `math500/test.jsonl`. Ours runs through the judge, its workers warm; math-verify parses and verifies in
this process, warm too. Every pair is new to both, so no cache helps; at most `--equal` of them repeat the gold, boxes
and dollars apart. The two take turns, block by block; the figure to read is the ratio.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from hostile import hostile_pairs
from rewrite_math500 import Pair, pairs
from rewrites import peer
from rewrites.dresses import DRESSES

from tracegen.format import split
from tracegen.records import Problem, Trace, Verdict
from tracegen.verify import Judge, in_order

Given = tuple[str, str]
WARM_UP = [(str(n), rf"\boxed{{\frac{{{2 * n}}}{{2}} + \sqrt{{{n}}} - x}}") for n in range(3, 43)]
LIMIT = 2.0
"""Seconds that no hostile pair may take."""


def mixed(folder: Path, *, count: int, equal: float, seed: int = 1) -> list[Pair]:
    """Unique pairs, shuffled, of which the share `equal` repeats the gold in another dress or in none."""
    found = pairs(folder, count=10 * count, seed=seed)
    same = [Pair(gold, gold, True, "bare", "bare") for gold in dict.fromkeys(pair.gold for pair in found)]
    same += [pair for pair in found if pair.family in DRESSES]
    other = [pair for pair in found if pair.family not in DRESSES]
    random = Random(seed)
    chosen = random.sample(same, min(len(same), round(count * equal)))
    chosen += random.sample(other, min(len(other), count - len(chosen)))
    random.shuffle(chosen)
    return chosen


def judged(judge: Judge, given: Sequence[Given]) -> Iterator[Verdict]:
    submitted = ((number, judge.submit(*_case(number, *pair))) for number, pair in enumerate(given))
    yield from (verdicts[-1] for _, verdicts in in_order(submitted))


def _case(number: int, gold: str, pred: str) -> tuple[Problem, Trace]:
    key, parts = str(number), split(pred)
    trace = Trace(key, key, "", 0, (), parts.reasoning, parts.response, parts.status, "stop", 0)
    return Problem(key, "", answer=gold), trace


def throughput(judge: Judge, given: Sequence[Given], blocks: int) -> list[tuple[float, float]]:
    """Pairs per second of ours and of math-verify, a block at a time."""
    rates = []
    for number in range(blocks):
        block = given[number::blocks]
        start = time.perf_counter()
        for _ in judged(judge, block):
            pass
        between = time.perf_counter()
        for _ in peer.judged(block):
            pass
        rates.append((len(block) / (between - start), len(block) / (time.perf_counter() - between)))
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--equal", type=float, default=0.2)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    given = mixed(arguments.folder, count=arguments.pairs, equal=arguments.equal)
    named = list(hostile_pairs())
    with Judge({"math": {}}, workers=arguments.workers, timeout=10.0) as judge:
        for _ in (*judged(judge, WARM_UP), *peer.judged(WARM_UP)):
            pass
        rates = throughput(judge, [(pair.gold, pair.pred) for pair in given], arguments.blocks)
        verdicts = list(judged(judge, [(gold, pred) for _, gold, pred in named]))
    hostile = sorted(zip((verdict.seconds for verdict in verdicts), (name for name, *_ in named), strict=True))[::-1]
    found = {
        "pairs": len(given),
        "byte_equal": sum(pair.family in DRESSES for pair in given) / len(given),
        "pairs_per_second": statistics.median(ours for ours, _ in rates),
        "math_verify_pairs_per_second": statistics.median(theirs for _, theirs in rates),
        "ratio": statistics.median(ours / theirs for ours, theirs in rates),
        "hostile_pairs": len(hostile),
        "hostile_slowest_seconds": hostile[0][0],
        "hostile_slowest": hostile[0][1],
        "hostile_over_limit": sorted({name for seconds, name in hostile if seconds > LIMIT}),
        "hostile_errors": sum(verdict.outcome == "error" for verdict in verdicts),
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for ours, theirs in rates:
        print(f"{ours:8.1f} pairs/s  math-verify {theirs:8.1f} pairs/s  ratio {ours / theirs:.2f}")
    for name, value in found.items():
        print(f"{name:30} {value if not isinstance(value, float) else round(value, 3)}")


if __name__ == "__main__":
    main()
