"""What becomes of each benchmark's own fields: golds, choices, tests, tolerances."""

import base64
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from benchmark_rows import CONTEST, GPQA, HUMANEVAL, OLYMPIAD, filled, packed, put

from tracegen import registry
from tracegen.benchmarks._contest_tests import unpacked
from tracegen.benchmarks.gpqa_diamond import gpqa_diamond
from tracegen.benchmarks.gym import gym
from tracegen.benchmarks.humaneval import humaneval
from tracegen.benchmarks.livecodebench import livecodebench
from tracegen.benchmarks.mbpp import mbpp
from tracegen.benchmarks.minerva_math import last_box, minerva_math
from tracegen.benchmarks.olympiadbench import olympiadbench
from tracegen.records import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return filled(tmp_path / "benchmarks")


def test_contests_ask_for_whole_numbers_in_their_plain_form(tmp_path: Path) -> None:
    put(tmp_path, "aime25/test.jsonl", {"id": "0", "question": "x?", "answer": 70.0}, CONTEST)
    first, second = registry.bind("benchmark", "aime25", {}, benchmarks_dir=str(tmp_path))()
    assert (first.id, first.answer, first.statement) == ("aime25-0", "70", "x?")
    assert second.answer == "7"


def test_minervas_gold_is_the_last_box_and_may_be_off_by_one_per_cent(folder: str) -> None:
    (problem,) = minerva_math(benchmarks_dir=folder)
    assert (problem.id, problem.answer) == ("minerva-3", "\\frac{3}{4}")
    assert problem.conventions == {"tolerance": 0.01, "percent": "ignore"}
    assert last_box("\\boxed{a} and \\boxed{b") == "a"
    assert last_box("\\boxed{\\{1, \\frac{2}{3}\\}}") == "\\{1, \\frac{2}{3}\\}"
    assert last_box("no box") is None


def test_olympiadbench_joins_values_and_keeps_unit_and_error(folder: str) -> None:
    (problem,) = olympiadbench(benchmarks_dir=folder)
    assert problem.answer == "$45$ minutes"
    assert problem.conventions == {}
    several = OLYMPIAD | {"final_answer": ["$1$", "$2$"], "unit": None, "error": None, "is_multiple_answer": True}
    exact = OLYMPIAD | {"unit": None, "final_answer": ["45"]}
    put(Path(folder), "olympiadbench/test.jsonl", several, exact, OLYMPIAD | {"context": "A train leaves."})
    two, one, told = olympiadbench(benchmarks_dir=folder)
    assert two.answer == "$1$, $2$"
    assert one.conventions == {"tolerance": pytest.approx(0.9 / 45)}
    assert told.statement == "A train leaves.\n\nHow long does it take?"
    put(Path(folder), "olympiadbench/test.jsonl", OLYMPIAD | {"final_answer": "45"})
    with pytest.raises(UsageError, match="`final_answer` must be a list of texts"):
        list(olympiadbench(benchmarks_dir=folder))


def test_gpqa_shuffles_the_choices_the_same_way_each_time(folder: str) -> None:
    put(Path(folder), "gpqa_diamond/test.jsonl", *(GPQA | {"Record ID": f"rec{n}"} for n in range(20)))
    problems = list(gpqa_diamond(benchmarks_dir=folder))
    assert problems == list(gpqa_diamond(benchmarks_dir=folder))
    assert {problem.answer for problem in problems} == set("ABCD")
    for problem in problems:
        choices = problem.extra["choices"]
        assert choices[problem.answer] == "neon"
        assert sorted(choices.values()) == ["iron", "lead", "neon", "zinc"]
        assert all(f"{letter}) {text}" in problem.statement for letter, text in choices.items())


def test_code_benchmarks_carry_their_tests(folder: str) -> None:
    (double,) = humaneval(benchmarks_dir=folder)
    assert (double.id, double.entry_point, double.tests) == ("HumanEval/900", "double", HUMANEVAL["test"])
    assert double.extra["prompt"] == HUMANEVAL["prompt"]
    space: dict[str, Any] = {}
    exec(str(double.answer), space)
    assert space["double"](2) == 4
    (add,) = mbpp(benchmarks_dir=folder)
    assert add.tests == ["import math", "assert add(1, 2) == 3"]
    assert "assert add(1, 2) == 3" in add.statement
    assert list(mbpp(split="train", benchmarks_dir=folder)) == []


def test_livecodebench_unpacks_its_tests(folder: str) -> None:
    program, function = livecodebench(benchmarks_dir=folder)
    assert program.verifier == "stdio"
    assert program.tests == [{"stdin": "1 2\n", "stdout": "3\n"}, {"stdin": "2 2\n", "stdout": "4\n"}]
    assert (function.verifier, function.entry_point) == ("code", "add")
    assert function.tests == [{"input": "1\n[2, 3]", "output": "6"}, {"input": "1\n[]", "output": "1"}]
    assert "class Solution" in function.statement
    assert "from typing import *" in function.extra["prompt"]
    (late,) = livecodebench(after="2025-01-01", benchmarks_dir=folder)
    (early,) = livecodebench(before="2024-05-01", benchmarks_dir=folder)
    assert (late.id, early.id) == ("livecodebench-q1", "livecodebench-q2")
    with pytest.raises(UsageError, match="no version 'v7'; it has v1 to v6"):
        livecodebench(version="v7")


class _Calls:
    def __reduce__(self) -> Any:
        return os.system, ("echo this must never run",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (packed(_Calls()), "it names posix.system, and only plain values are read"),
        (packed(Path("x")), "only plain values are read"),
        ("not base64!", "cannot be read"),
        (base64.b64encode(b"no zlib").decode(), "cannot be read"),
        (base64.b64encode(zlib.compress(b"no pickle")).decode(), "cannot be read"),
    ],
)
def test_packed_tests_never_call_anything(text: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=said):
        unpacked(text, "line 1")
    assert capfd.readouterr().out == ""


def test_packed_tests_that_unpack_to_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracegen.benchmarks._contest_tests.UNPACKED", 10_000)
    assert unpacked(packed("a" * 1_000), "line 1") == "a" * 1_000
    with pytest.raises(UsageError, match="more than 10,000 bytes"):
        unpacked(packed("a" * 1_000_000), "line 1")


def test_gym_makes_any_task_by_seed() -> None:
    first = list(gym(task="chain_sum", size=2, seed=5))
    assert first == list(gym(task="chain_sum", size=2, seed=5))
    assert first != list(gym(task="chain_sum", size=2))
    assert first[0].verifier == "gym"
    with pytest.raises(UsageError, match="has no task 'chain_sums'"):
        list(gym(task="chain_sums", size=2))
