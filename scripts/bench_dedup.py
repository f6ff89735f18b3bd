"""How well and how fast near-duplicates are found, beside datasketch and bare rensa.

    python scripts/bench_dedup.py [--traces 200000] [--small 20000] [--others 20000] [--near 0.7]

Makes traces of about 400 words, in a vocabulary whose words are as frequent as those of a language, with numbers, signs
and formulas between them. One in ten is a copy of an earlier trace of another problem: in turn with 1 %, 3 % and 6 % of
its words replaced. Each row is a process of its own; texts are made as they are read, and the time that this takes is
measured first and taken off.

    ours     filter `dedup` with `near` and `of: reasoning`: of SMALL traces and of all
    others   datasketch's MinHashLSH and rensa's RMinHashDeduplicator on OTHERS traces, same shingles, 128 permutations

Recall: the share of the copies that are dropped. Precision: the share of the dropped that are copies.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from tracegen.filters.dedup import dedup
from tracegen.records import Problem, Trace

WORDS, COPIES, EDITS = 400, 10, (0.01, 0.03, 0.06)
RECENT = 2000
"""A copy is of one of so many traces before it, so that the bench holds few texts itself."""


def texts(count: int) -> Iterator[tuple[str, float | None]]:
    """Each text, and of a copy which share of its words was replaced."""
    chance = random.Random(7)
    vocabulary = ["".join(chance.choices("etaoinshrdlcumwfgypbvk", k=chance.randint(1, 10))) for _ in range(30_000)]
    frequency = list(accumulate(1 / (rank + 2.7) for rank in range(len(vocabulary))))
    recent: list[list[str]] = []
    for number in range(count):
        if recent and number % COPIES == COPIES - 1:
            share = EDITS[number // COPIES % len(EDITS)]
            source = chance.choice(recent)
            yield (
                " ".join(chance.choice(vocabulary) if chance.random() < share else word for word in source),
                share,
            )
            continue
        words = chance.choices(vocabulary, cum_weights=frequency, k=chance.randint(WORDS - 100, WORDS + 100))
        for place in range(0, len(words), 9):
            words[place] = chance.choice((f"{words[place]},", f"{words[place]}.\n", f"{chance.randint(2, 999)}"))
        for place in range(4, len(words), 25):
            a, b = chance.randint(2, 99), chance.randint(2, 99)
            words[place] = f"\\({a}x + {b} = {a + b}\\)"
        if len(recent) < RECENT:
            recent.append(words)
        else:
            recent[chance.randrange(RECENT)] = words
        yield " ".join(words), None


def ours(count: int, near: float) -> Iterator[tuple[float | None, bool]]:
    """Of each trace what it is and whether it was dropped."""
    kinds: list[float | None] = []

    def traces() -> Iterator[Trace]:
        for number, (text, kind) in enumerate(texts(count)):
            kinds.append(kind)
            key = f"{number:032x}"
            yield Trace(key, f"p{number}", "t", 0, (), text, "\\boxed{7}", "complete", "stop", 500)

    for number, (_, reason) in enumerate(dedup(traces(), problems=_Problems(), near=near, of="reasoning")):
        yield kinds[number], reason is not None


class _Problems(dict[str, Problem]):
    def __missing__(self, name: str) -> Problem:
        return Problem(name, f"What is {name}?")


def datasketch(count: int, near: float) -> Iterator[tuple[float | None, bool]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=near, num_perm=128)
    for number, (text, kind) in enumerate(texts(count)):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([shingle.encode() for shingle in _shingles(text)])
        found = bool(index.query(sketch))
        if not found:
            index.insert(number, sketch, check_duplication=False)
        yield kind, found


def rensa(count: int, near: float) -> Iterator[tuple[float | None, bool]]:
    from rensa import RMinHash, RMinHashDeduplicator

    index = RMinHashDeduplicator(near, 128, True, 32)
    for number, (text, kind) in enumerate(texts(count)):
        sketch = RMinHash(128, 42)
        sketch.update(_shingles(text))
        yield kind, not index.add(str(number), sketch)


def alone(count: int, near: float) -> Iterator[tuple[float | None, bool]]:
    """Nothing but the making of the texts."""
    for _, kind in texts(count):
        yield kind, False


def _shingles(text: str) -> list[str]:
    words = text.casefold().split()
    return [" ".join(three) for three in zip(words, words[1:], words[2:], strict=False)]


def measure(which: str, count: int, near: float) -> dict[str, Any]:
    """Run in a process of its own."""
    planted, found, dropped, wrongly = Counter[float](), Counter[float](), 0, 0
    start, cpu = time.perf_counter(), time.process_time()
    for kind, drop in {"ours": ours, "datasketch": datasketch, "rensa": rensa, "alone": alone}[which](count, near):
        dropped += drop
        if kind is None:
            wrongly += drop
        else:
            planted[kind] += 1
            found[kind] += drop
    figures = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak MB": _peak_megabytes(),
        "precision": round(1 - wrongly / dropped, 4) if dropped else None,
    }
    return figures | {f"recall {kind:.0%}": round(found[kind] / planted[kind], 4) for kind in sorted(planted)}


def _peak_megabytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def _in_its_own_process(which: str, count: int, near: float) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", which, "--traces", str(count), "--near", str(near)]
    figures: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=200_000)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=20_000)
    parser.add_argument("--near", type=float, default=0.7)
    parser.add_argument("--only", choices=["ours", "datasketch", "rensa", "alone"])
    given = parser.parse_args()
    if given.only:
        print(json.dumps(measure(given.only, given.traces, given.near)))
        return
    rows = {}
    making = _in_its_own_process("alone", given.small, given.near)["cpu"] / given.small
    plan = [("ours", given.small), ("datasketch", given.others), ("rensa", given.others), ("ours", given.traces)]
    for which, count in plan:
        figures = _in_its_own_process(which, count, given.near)
        figures["traces a CPU second"] = round(count / (figures["cpu"] - making * count))
        rows[which, count] = figures
        print(json.dumps({"tool": which, "traces": count} | figures), flush=True)
    small, whole = rows["ours", given.small], rows["ours", given.traces]
    speed = {which: rows[which, given.others]["traces a CPU second"] for which in ("datasketch", "rensa")}
    print(f"against datasketch: {small['traces a CPU second'] / speed['datasketch']:.1f} times as many a CPU second")
    print(f"against rensa: {small['traces a CPU second'] / speed['rensa']:.1f} times")
    print(
        f"from {given.small} to {given.traces}: {whole['seconds'] / small['seconds']:.1f} times as long, "
        f"{whole['peak MB'] / small['peak MB']:.1f} times the memory"
    )


if __name__ == "__main__":
    main()
