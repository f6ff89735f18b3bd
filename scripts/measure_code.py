"""Measures the verifier `code` on HumanEval and MBPP: every canonical solution must pass, one mutant of each must not.

    python scripts/measure_code.py BENCHMARKS_DIR [--limit N] [--rounds 2] [--workers 2] [--json]

A mutant counts only if plain Python, without any sandbox, shows that it fails the very same tests (`mutants.py`); the
first that does, in an order fixed by the problem's id, is taken. All is judged `--rounds` times; the verdicts must be
the same and none may be the machine's fault.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mutants import fails, mutants

from tracegen.benchmarks.humaneval import humaneval
from tracegen.benchmarks.mbpp import mbpp
from tracegen.records import Problem, Verdict
from tracegen.verify import Judge, decide, gold_trace, in_order


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("benchmarks_dir")
    parser.add_argument("--limit", type=int, help="problems of each benchmark")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--unsafe", action="store_true", help="without a sandbox")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    problems = [
        *humaneval(limit=given.limit, benchmarks_dir=given.benchmarks_dir),
        *mbpp(limit=given.limit, benchmarks_dir=given.benchmarks_dir),
    ]
    with ThreadPoolExecutor(given.workers) as pool:
        faulty = [(p, program) for p, program in zip(problems, pool.map(mutant, problems), strict=True) if program]
    correct = [(p, p.answer or "") for p in problems]
    options = {"unsafe": True} if given.unsafe else {}
    rounds = [judged([*correct, *faulty], given.workers, options) for _ in range(given.rounds)]
    found = figures(len(problems), correct, faulty, rounds)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name:24} {value}")
    return 0 if found["holds"] else 1


def mutant(problem: Problem) -> str | None:
    """The problem's first mutant that plain Python shows to fail; helpers of its prompt are left alone."""
    found = mutants(problem.answer or "", problem.id, problem.entry_point)
    return next((program for program in found if fails(program, check(problem))), None)


def check(problem: Problem) -> str:
    """The tests as plain Python runs them, behind the program."""
    tests = problem.tests if isinstance(problem.tests, str) else "\n".join(problem.tests)
    return f"{tests}\ncheck({problem.entry_point})" if problem.entry_point else tests


def judged(
    programs: Sequence[tuple[Problem, str]], workers: int, options: dict[str, Any]
) -> tuple[list[Verdict], float]:
    """The verdicts, and the seconds from the first one judged with warm workers."""
    with Judge({"code": options}, workers=workers) as judge:
        warm = [judge.submit(*_submission(*programs[0])) for _ in range(2 * workers)]
        for future in warm:
            future.result()
        began = time.perf_counter()
        pairs = ((program, judge.submit(*_submission(*program))) for program in programs)
        verdicts = [verdict for _, found in in_order(pairs) if (verdict := decide(found))]
        return verdicts, time.perf_counter() - began


def _submission(problem: Problem, program: str) -> tuple[Problem, Any]:
    return problem, gold_trace(problem.id, program)


def figures(
    problems: int,
    correct: Sequence[tuple[Problem, str]],
    faulty: Sequence[tuple[Problem, str]],
    rounds: Sequence[tuple[list[Verdict], float]],
) -> dict[str, Any]:
    """What was found, worst round first in mind: every figure is the smallest of all rounds."""
    half = len(correct)
    passed = min(sum(v.outcome == "right" for v in verdicts[:half]) for verdicts, _ in rounds)
    refused = min(sum(v.outcome == "wrong" for v in verdicts[half:]) for verdicts, _ in rounds)
    infrastructure = sum(v.reason == "infrastructure" for verdicts, _ in rounds for v in verdicts)
    same = all([(v.outcome, v.reason) for v in r] == [(v.outcome, v.reason) for v in rounds[0][0]] for r, _ in rounds)
    return {
        "canonical solutions": f"{passed} of {problems} right",
        "mutants": f"{refused} of {problems} wrong ({len(faulty)} found that fail in plain Python)",
        "reasons of the mutants": dict(Counter(v.reason for v in rounds[0][0][half:]).most_common()),
        "same verdicts each round": same,
        "infrastructure failures": infrastructure,
        "programs per second": [round(len(verdicts) / seconds, 1) for verdicts, seconds in rounds],
        "unexpected": list(_unexpected([*correct, *faulty], half, rounds)),
        "holds": passed == refused == problems and same and not infrastructure,
    }


def _unexpected(
    programs: Sequence[tuple[Problem, str]], half: int, rounds: Sequence[tuple[list[Verdict], float]]
) -> Iterator[str]:
    for turn, (verdicts, _) in enumerate(rounds, start=1):
        for at, ((problem, _), verdict) in enumerate(zip(programs, verdicts, strict=True)):
            if verdict.outcome != ("right" if at < half else "wrong"):
                kind = "canonical" if at < half else "mutant"
                yield f"round {turn}, {problem.id}, {kind}: {verdict.outcome} {verdict.reason} {verdict.detail}"


if __name__ == "__main__":
    sys.exit(main())
