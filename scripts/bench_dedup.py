"""How well and how fast near-duplicates are found, beside datasketch and bare rensa.

    python scripts/bench_dedup.py [--traces 200000] [--small 20000] [--others 10000] [--near 0.7]

Makes traces of about 400 words, in a vocabulary whose words are as frequent as those of a language, with numbers, signs
and formulas between them. One in ten is a copy of an earlier trace of another problem: in turn with 1 %, 3 % and 6 % of
its words replaced.

    scale   filter `dedup` with `near` and `of: reasoning` on SMALL and on all traces, each in a process of its own;
            texts are made as they are read, and the time that this takes is measured first and taken off
    speed   the same on OTHERS traces beside datasketch's MinHashLSH and rensa's RMinHashDeduplicator (128
            permutations, words in runs of three), in turn, a few hundred traces each, so that a busy machine is busy
            for all of them

Recall: the share of the copies that are dropped. Precision: the share of the dropped that are copies. Times are CPU
seconds.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from tracegen.filters.dedup import dedup
from tracegen.records import Problem, Trace

WORDS, COPIES, EDITS = 400, 10, (0.01, 0.03, 0.06)
TURN = 250
RECENT = 2000
"""A copy is of one of so many traces before it, so that the bench holds few texts itself."""


Made = tuple[str, float | None]
"""A text, and of a copy which share of its words was replaced."""


def texts(count: int) -> Iterator[Made]:
    """The same ones every time."""
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


def ours(made: Iterable[Made], near: float) -> Iterator[bool]:
    """Of each trace whether it was dropped."""

    def traces() -> Iterator[Trace]:
        for number, (text, _) in enumerate(made):
            yield Trace(f"{number:032x}", f"p{number}", "t", 0, (), text, "\\boxed{7}", "complete", "stop", 500)

    for _, reason in dedup(traces(), problems=_Problems(), near=near, of="reasoning"):
        yield reason is not None


class _Problems(dict[str, Problem]):
    def __missing__(self, name: str) -> Problem:
        return Problem(name, f"What is {name}?")


def datasketch(made: Iterable[Made], near: float) -> Iterator[bool]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=near, num_perm=128)
    for number, (text, _) in enumerate(made):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([shingle.encode() for shingle in _shingles(text)])
        found = bool(index.query(sketch))
        if not found:
            index.insert(number, sketch, check_duplication=False)
        yield found


def rensa(made: Iterable[Made], near: float) -> Iterator[bool]:
    from rensa import RMinHash, RMinHashDeduplicator

    index = RMinHashDeduplicator(near, 128, True, 32)
    for number, (text, _) in enumerate(made):
        sketch = RMinHash(128, 42)
        sketch.update(_shingles(text))
        yield not index.add(str(number), sketch)


def _shingles(text: str) -> list[str]:
    words = text.casefold().split()
    return [" ".join(three) for three in zip(words, words[1:], words[2:], strict=False)]


def quality(kinds: Sequence[float | None], drops: Sequence[bool]) -> dict[str, Any]:
    """Precision, and recall for each share of words replaced."""
    planted = Counter(kinds)
    found = Counter(kind for kind, drop in zip(kinds, drops, strict=True) if drop)
    figures: dict[str, Any] = {"precision": round(1 - found[None] / max(1, found.total()), 4)}
    return figures | {f"recall {kind:.0%}": round(found[kind] / planted[kind], 4) for kind in sorted(set(EDITS))}


def scale(count: int, near: float) -> dict[str, Any]:
    """Run in a process of its own."""
    list(ours(texts(10), near))  # What has to be imported is not what is measured.
    kinds: list[float | None] = []
    making = 0.0

    def made() -> Iterator[Made]:
        nonlocal making
        source = texts(count)
        while True:
            start = time.process_time()
            one = next(source, None)
            making += time.process_time() - start
            if one is None:
                return
            kinds.append(one[1])
            yield one

    start, wall = time.process_time(), time.perf_counter()
    drops = list(ours(made(), near))
    seconds = time.process_time() - start - making
    figures = {"traces": count, "seconds": round(seconds, 1), "traces a second": round(count / seconds)}
    wall = time.perf_counter() - wall
    return figures | {"peak MB": _peak_megabytes(), "wall": round(wall, 1)} | quality(kinds, drops)


def speed(count: int, near: float) -> dict[str, float]:
    """Traces a CPU second of each."""
    made = list(texts(count))
    tools = {"tracegen": ours, "datasketch": datasketch, "rensa": rensa}
    for tool in tools.values():
        list(tool(made[:10], near))
    running = {name: tool(made, near) for name, tool in tools.items()}
    drops: dict[str, list[bool]] = {name: [] for name in tools}
    seconds = Counter[str]()
    for _ in range(0, count, TURN):
        for name in tools:
            start = time.process_time()
            drops[name] += islice(running[name], TURN)
            seconds[name] += time.process_time() - start
    kinds = [kind for _, kind in made]
    rates = {name: count / seconds[name] for name in tools}
    for name in tools:
        print(json.dumps({"tool": name, "traces a second": round(rates[name])} | quality(kinds, drops[name])))
    return rates


def _peak_megabytes() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


def _in_its_own_process(count: int, near: float) -> dict[str, Any]:
    command = [sys.executable, __file__, "--only", "scale", "--traces", str(count), "--near", str(near)]
    figures: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=200_000)
    parser.add_argument("--small", type=int, default=20_000)
    parser.add_argument("--others", type=int, default=10_000)
    parser.add_argument("--near", type=float, default=0.7)
    parser.add_argument("--only", choices=["scale", "speed"], help="scale: of TRACES alone, as one line of JSON")
    given = parser.parse_args()
    if given.only == "scale":
        print(json.dumps(scale(given.traces, given.near)))
        return
    rates = speed(given.others, given.near)
    print(f"{rates['tracegen'] / rates['datasketch']:.1f} times datasketch's traces a second", flush=True)
    if given.only == "speed":
        return
    small, whole = (_in_its_own_process(count, given.near) for count in (given.small, given.traces))
    print(json.dumps(small), json.dumps(whole), sep="\n")
    print(
        f"{whole['seconds'] / small['seconds']:.1f} times as long, {whole['peak MB'] / small['peak MB']:.1f} the memory"
    )


if __name__ == "__main__":
    main()
