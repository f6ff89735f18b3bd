"""How many planted leaks `decontaminate` finds among many traces, what it takes for one wrongly, and how fast it is.

    python scripts/bench_decontaminate.py --benchmarks-dir DIR [--traces 200000] [--seed 1]

Every benchmark that DIR holds is looked for. Of the traces, about 400 words each and made as they are read, 50 hold a
leak: ten questions as they stand, ten re-spaced, ten renamed, ten with other numbers, and ten in the reasoning only.
The first 2,000 training problems of GSM8K (`DIR/gsm8k/train*.jsonl`) are among the clean ones, with their solutions.
Prints what was found of each kind, every clean trace that was flagged, with the words of both sides, and of the
filter's process time, traces in a second and memory. Exit status 1 unless all verbatim and re-spaced leaks are found,
45 of 50 in all, and at most 0.3 % of the clean traces are flagged, of all and of the GSM8K ones alike.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from tracegen import registry
from tracegen.filters.decontaminate import decontaminate
from tracegen.records import Problem, Trace, Unavailable

WORDS = 400
EACH = 10
LEAST = 45
MOST_CLEAN = 0.003
_NAMES = "Oleander Brunhild Caspian Dorothea Evander Fenella Gideon Hyacinth Isolde Jocasta Leopold Marigold"
_THINGS = "apple ticket marble stamp garden train bottle pencil triangle window letter basket coin circle"
_STARTERS = """
A An The If In On At How What When Where Who Which Find Let For Each Every She He They It This There Write After Before
Suppose Given Compute Express Determine His Her Their Of To And But Then Is Are Some By From As All Two Three One
Calculate Consider Assume Both During Enter Your Note
"""
NAMES, THINGS, STARTERS = _NAMES.split(), _THINGS.split(), set(_STARTERS.split())
SPACES = ("  ", "\n", "\t", " \n ", "\N{NO-BREAK SPACE}", "\N{THIN SPACE}", " \N{ZERO WIDTH SPACE}", "\n\n")
SENTENCES = (
    "First I write down what is known about the {thing}.",
    "There are {a} of them, so {a} * {b} = {c} for the whole {thing}.",
    "{name} has {a} {thing}s and gives {b} away, which leaves {d}.",
    "Wait, let me check that again: {c} divided by {b} is {a}, as it should be.",
    "So the number of {thing}s in each row is {a}, and the total is {c}.",
    "Therefore we have $x = \\frac{{{c}}}{{{b}}} = {a}$, and nothing else is left to find.",
    "Let me think about the second part of the question, which asks for the {thing}.",
    "Since {a} is {parity}, the square of it, {a}^2, cannot leave another remainder when divided by 4.",
    "If we call the unknown {thing} y, then y + {b} = {d} has to hold.",
    "That means how many {thing}s are left depends only on {b}, not on {a}.",
    "Adding everything up gives {a} + {b} + {c}, and this is the amount of money in dollars.",
    "I could also write a loop over the list and return the largest {thing} of it.",
)


def main() -> None:
    options = _options()
    benchmarks = _benchmarks(options.benchmarks_dir)
    training = list(registry.bind("source", "gsm8k", {"limit": 2000}, benchmarks_dir=options.benchmarks_dir)())
    solutions = _solutions(options.benchmarks_dir)
    leaks = dict(_leaks(benchmarks, Random(options.seed)))
    draw = Random(options.seed + 1)
    at = draw.sample(range(options.traces), len(leaks) + len(training))
    planted = dict(zip(at, leaks, strict=False))
    clean = dict(zip(at[len(leaks) :], training, strict=True))
    problems: dict[str, Problem] = {}
    noted: dict[str, Mapping[str, Any]] = {}
    memory: list[int] = []
    made = 0.0

    def traces() -> Iterator[Trace]:
        nonlocal made
        for number in range(options.traces):
            start = time.process_time()
            problems.clear()
            if number in planted:
                problem, reasoning = leaks[planted[number]]
            elif number in clean:
                problem, reasoning = clean[number], solutions[clean[number].id]
            else:
                problem, reasoning = Problem(f"ours-{number}", _text(draw, 30)), ""
            problems[problem.id] = problem
            reasoning += " " + _text(draw, WORDS - len(reasoning.split()))
            trace = Trace(str(number), problem.id, "t", 0, (), reasoning, "So: 7.", "complete", "stop", WORDS)
            made += time.process_time() - start
            if number % (options.traces // 20 or 1) == 0:
                memory.append(_memory())
                print(f"{number:,} of {options.traces:,}", end="\r", file=sys.stderr)
            yield trace

    print("looked for:", ", ".join(f"{name} {len(those):,}" for name, those in benchmarks.items()))
    start = time.process_time()
    flagged = {
        int(trace.key): reason
        for trace, reason in decontaminate(
            traces(), problems=problems, benchmarks=benchmarks, note=lambda trace, what: noted.update({trace.key: what})
        )
        if reason
    }
    seconds = time.process_time() - start - made
    print(
        f"{options.traces:,} traces in {seconds:.0f} s of processor time, {options.traces / seconds:,.0f} a second;",
        end=" ",
    )
    print(f"memory {memory[1] >> 20} MB after a twentieth, {_memory() >> 20} MB at the end")
    found = _report_planted(planted, leaks, flagged)
    wrong = sorted(set(flagged) - set(planted))
    ours = [number for number in wrong if number in clean]
    print(
        f"clean traces flagged: {len(wrong)} of {options.traces - len(planted):,}, {len(ours)} of them of GSM8K's 2,000"
    )
    for number in wrong:
        what = noted[str(number)]
        who = clean[number].id if number in clean else number
        print(f"  {who} {what['part']}, {what['problem']}, {what['rule']} {what['share']}")
        for side in ("theirs", "ours"):
            print(f"    {side + ':':8}{' '.join(what[side].split())}")
    good = found["verbatim"] == found["re-spaced"] == EACH and found.total() >= LEAST
    few = len(wrong) <= MOST_CLEAN * options.traces and len(ours) <= MOST_CLEAN * len(training)
    sys.exit(0 if good and few else 1)


def _report_planted(planted: dict[int, str], leaks: dict[str, Any], flagged: dict[int, str]) -> Counter[str]:
    found = Counter(name.split("/")[0] for number, name in planted.items() if number in flagged)
    print(f"leaks found: {found.total()} of {len(planted)}:", ", ".join(f"{kind} {found[kind]}" for kind in KINDS))
    for number, name in planted.items():
        if number not in flagged:
            print(f"  missed {name}: {' '.join(leaks[name][0].statement.split())[:400]}")
    return found


def _leaks(benchmarks: Mapping[str, list[Problem]], draw: Random) -> Iterator[tuple[str, tuple[Problem, str]]]:
    """Ten of each kind, from one benchmark after the other: the problem as planted, and the thinking about it."""
    names = [name for name in benchmarks if name not in ("heldout", "livecodebench")]
    for kind, change in KINDS.items():
        pools = {name: iter(draw.sample(benchmarks[name], len(benchmarks[name]))) for name in names}
        for turn in range(EACH):
            name = names[turn % len(names)]
            for problem in pools[name]:
                text = change(problem.statement, draw)
                if text and len(problem.statement.split()) >= 5:
                    held = Problem(f"leak-{kind}-{turn}", _text(draw, 30) if kind == "in the reasoning" else text)
                    thought = f"{_text(draw, 100)} The question reads: {text}\n" if kind == "in the reasoning" else ""
                    yield f"{kind}/{problem.id}", (held, thought)
                    break


def _respaced(text: str, draw: Random) -> str:
    """Other white space, marks that cannot be seen, thin spaces around what stands in formulas."""
    text = re.sub(r"\s+", lambda _: draw.choice(SPACES), text)
    text = re.sub(r"(?<=[a-z])(?=[a-z])", lambda _: draw.choice(("\N{ZERO WIDTH JOINER}", *[""] * 30)), text)
    return re.sub(r"(?<=[\w}])([-+=])(?=[\w\\])", r"\\,\1\\, ", text)


def _renamed(text: str, draw: Random) -> str | None:
    """Every name becomes another; where there are none, every letter that stands for a number."""
    names = sorted(set(re.findall(r"(?<![\\\w])[A-Z][a-z]+\b", text)) - STARTERS)
    letters = sorted(set(re.findall(r"(?<![\\\w'’])[b-hj-z](?![\w'’])", text)))
    new = dict(zip(names, draw.sample(NAMES, min(len(names), len(NAMES))), strict=False))
    if not new:
        free = [letter for letter in "bcdghjkpqrtuvwz" if letter not in letters]
        new = dict(zip(letters, draw.sample(free, min(len(letters), len(free))), strict=False))
    pattern = "|".join(map(re.escape, new))
    return re.sub(rf"(?<![\\\w])({pattern})\b", lambda found: new[found[0]], text) if new else None


def _renumbered(text: str, draw: Random) -> str | None:
    """Every number becomes another of as many digits."""
    changed = re.sub(r"\d+", lambda n: str(draw.randrange(10 ** (len(n[0]) - 1), 10 ** len(n[0]))), text)
    return changed if len(text.split()) >= 13 and sum(a != b for a, b in zip(text, changed, strict=True)) > 1 else None


KINDS: dict[str, Callable[[str, Random], str | None]] = {
    "verbatim": lambda text, draw: text,
    "re-spaced": _respaced,
    "renamed": _renamed,
    "other numbers": _renumbered,
    "in the reasoning": lambda text, draw: text if len(text.split()) >= 10 else None,
}


def _text(draw: Random, size: int) -> str:
    """At least so many words in sentences as traces have them."""
    said: list[str] = []
    while size > 0:
        a, b = draw.randint(2, 97), draw.randint(2, 19)
        values = {"a": a, "b": b, "c": a * b, "d": abs(a - b), "parity": "odd" if a % 2 else "even"}
        said.append(draw.choice(SENTENCES).format(thing=draw.choice(THINGS), name=draw.choice(NAMES), **values))
        size -= len(said[-1].split())
    return " ".join(said)


def _benchmarks(folder: str) -> dict[str, list[Problem]]:
    found = {}
    for name in registry.names("benchmark"):
        if name not in ("gym", "jsonl"):
            try:
                found[name] = list(registry.bind("benchmark", name, benchmarks_dir=folder)())
            except Unavailable as error:
                print(f"unchecked {name}: {error}")
    return found


def _solutions(folder: str) -> dict[str, str]:
    lines = (
        line for path in sorted(Path(folder, "gsm8k").glob("train*.jsonl")) for line in path.open(encoding="utf-8")
    )
    return {f"gsm8k-train-{n}": json.loads(line)["answer"] for n, line in enumerate(islice(lines, 2000))}


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--benchmarks-dir", required=True, help="benchmark files, as docs/benchmarks.md names them")
    parser.add_argument("--traces", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
