"""A scripted teacher that writes problems and solves them, the seeds that it is given, and what has come of a run."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracegen import rundir
from tracegen.problems import read_problems
from tracegen.recipe import Recipe
from tracegen.records import Problem

THINGS = ("apples", "books", "chairs", "drums", "eggs", "flags", "goats", "hats")
PLACES = ("in the harbour", "on the farm", "at the old school", "near the river", "behind the mill", "in the museum")


@dataclass
class Teacher:
    """Writes a problem of its own for each prompt and seed, and solves problems as `solve` says."""

    solve: Callable[[str, int], str] = lambda statement, seed: boxed(total(statement))
    draft: Callable[[str, str, int], str | None] = lambda method, material, seed: None
    latency: float = 0.0
    asked: list[str] = field(default_factory=list)

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        prompt, seed = body["messages"][-1]["content"], body["seed"]
        if "<problem>" not in prompt:
            said = self.solve(prompt.split("\n\n")[0], seed)
        else:
            method, material = method_of(prompt), prompt.rpartition(":\n")[2].strip()
            said = self.draft(method, material, seed) or f"Here it is.\n<problem>\n{story(material, seed)}\n</problem>"
        return {"text": said, "latency": self.latency}


def method_of(prompt: str) -> str:
    words = {"same problem": "rephrase", "harder": "harder", "other numbers": "numbers", "topic": "topic"}
    words |= {"person": "persona", "passage": "document"}
    return next(method for said, method in words.items() if said in prompt)


def story(material: str, seed: int) -> str:
    """A problem that depends on both, in words of its own."""
    n = seed % 9973
    thing, place = THINGS[n % len(THINGS)], PLACES[n % len(PLACES)]
    name = f"Person{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}"
    return f"{name} keeps {n} {thing} {place} and finds {len(material)} more there. How many {thing} has {name} now?"


def total(statement: str) -> int:
    return sum(map(int, re.findall(r"\d+", statement)))


def boxed(answer: object) -> str:
    return f"<think>\nI add.\n</think>\n\nThe answer is \\boxed{{{answer}}}."


SEEDS = [
    {"id": f"s{n}", "statement": f"Ida has {n + 3} red marbles and wins {n + 5} blue ones. How many marbles has she?",
     "answer": str(2 * n + 8), "verifier": "math", "source": "ours", "domain": "sums", "licence": "cc0-1.0"}
    for n in range(10)
]  # fmt: skip


def problems_of(made: Recipe, run: Path) -> dict[str, Problem]:
    with rundir.owned(run):
        return read_problems(made, run)


def dropped(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "source" / "dropped_problems.jsonl").read_text().splitlines()]
