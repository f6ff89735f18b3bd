"""Benchmarks: the same problems from a local folder as from the Hub, and a sentence where neither is there."""

import base64
import json
import os
import pickle
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_hub import FakeHub
from fake_hub_store import Repo

from tracegen import recipe, registry
from tracegen.benchmarks._contest_tests import unpacked
from tracegen.benchmarks.gpqa_diamond import gpqa_diamond
from tracegen.benchmarks.gsm8k import gsm8k
from tracegen.benchmarks.gym import gym
from tracegen.benchmarks.heldout import heldout
from tracegen.benchmarks.humaneval import humaneval
from tracegen.benchmarks.jsonl import jsonl
from tracegen.benchmarks.livecodebench import livecodebench
from tracegen.benchmarks.math500 import math500
from tracegen.benchmarks.mbpp import mbpp
from tracegen.benchmarks.minerva_math import last_box, minerva_math
from tracegen.benchmarks.olympiadbench import olympiadbench
from tracegen.records import Problem, Unavailable, UsageError
from tracegen.verify import Judge, gold_trace

BENCHMARKS = Path(__file__).parents[2] / "shared" / "benchmarks"
GSM8K = {"question": "A box holds 1,000 nails. How many do 2 hold?", "answer": "2 * 1,000\n#### 2,000"}
MATH = {
    "problem": "Find $x$ with $2x = 1$.",
    "solution": "Halve both sides.",
    "answer": "\\frac{1}{2}",
    "subject": "Algebra",
    "level": 1,
    "unique_id": "test/algebra/1.json",
}


CONTEST = {"id": 7, "problem": "How many squares are below 50?", "answer": "007"}
MINERVA = {
    "problem": "How far is the star?",
    "solution": "First \\boxed{1}. In the end \\boxed{\\frac{3}{4}} \\mathrm{~pc}.",
    "type": "Astronomy",
    "idx": 3,
}
OLYMPIAD = {
    "id": 11,
    "subfield": "Algebra",
    "context": None,
    "question": "How long does it take?",
    "solution": ["Long."],
    "final_answer": ["$45$"],
    "is_multiple_answer": False,
    "unit": "minutes",
    "answer_type": "Numerical",
    "error": "0.9",
}
GPQA = {
    "Record ID": "rec1",
    "Question": "Which of these is a noble gas?",
    "Correct Answer": "neon",
    "Incorrect Answer 1": "iron",
    "Incorrect Answer 2": "zinc",
    "Incorrect Answer 3": "lead",
    "High-level domain": "Chemistry",
}
HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'def double(x):\n    """Twice x."""\n',
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
    "entry_point": "double",
}
MBPP = {
    "task_id": 12,
    "prompt": "Write a function to add two numbers.",
    "code": "def add(a, b):\n    return a + b",
    "test_imports": ["import math"],
    "test_list": ["assert add(1, 2) == 3"],
}


def packed(value: Any) -> str:
    """As the private tests of LiveCodeBench are written."""
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


LIVE = {
    "question_id": "q1",
    "question_title": "Sum",
    "question_content": "Print the sum of two numbers.",
    "platform": "atcoder",
    "difficulty": "easy",
    "contest_date": "2025-01-31T00:00:00",
    "starter_code": "",
    "metadata": "{}",
    "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
    "private_test_cases": packed(json.dumps([{"input": "2 2\n", "output": "4\n", "testtype": "stdin"}])),
}
LIVE_FUNCTION = LIVE | {
    "question_id": "q2",
    "contest_date": "2024-05-01T00:00:00",
    "starter_code": "class Solution:\n    def add(self, a: int, b: List[int]) -> int:\n        ",
    "metadata": json.dumps({"func_name": "add"}),
    "public_test_cases": json.dumps([{"input": "1\n[2, 3]", "output": "6", "testtype": "functional"}]),
    "private_test_cases": json.dumps([{"input": "1\n[]", "output": "1", "testtype": "functional"}]),
}

ON_THE_HUB: dict[str, tuple[str, str, str, list[dict[str, Any]]]] = {
    "gsm8k": ("openai/gsm8k", "main", "test", [GSM8K]),
    "math500": ("HuggingFaceH4/MATH-500", "default", "test", [MATH]),
    "aime24": ("HuggingFaceH4/aime_2024", "default", "train", [CONTEST]),
    "aime25": ("math-ai/aime25", "default", "test", [CONTEST]),
    "amc23": ("math-ai/amc23", "default", "test", [CONTEST]),
    "minerva_math": ("math-ai/minervamath", "default", "test", [MINERVA]),
    "olympiadbench": ("Hothan/OlympiadBench", "OE_TO_maths_en_COMP", "train", [OLYMPIAD]),
    "humaneval": ("openai/openai_humaneval", "openai_humaneval", "test", [HUMANEVAL]),
}
"""Benchmarks whose files `datasets` reads: repository, part, split and rows."""
FOLDERS = {"gpqa_diamond": [GPQA], "mbpp_sanitized": [MBPP], "livecodebench": [LIVE, LIVE_FUNCTION]}


def put(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_gsm8k_reads_its_test_split(tmp_path: Path) -> None:
    put(tmp_path, "gsm8k/test.jsonl", GSM8K)
    put(tmp_path, "gsm8k/train.jsonl", GSM8K, GSM8K)
    (problem,) = gsm8k(benchmarks_dir=str(tmp_path))
    assert (problem.id, problem.answer, problem.verifier) == ("gsm8k-test-0", "2000", "math")


def test_math500_keeps_subject_and_level(tmp_path: Path) -> None:
    put(tmp_path, "math500/test.jsonl", MATH, {**MATH, "unique_id": "test/algebra/2.json"})
    first, second = math500(benchmarks_dir=str(tmp_path))
    assert (first.id, first.answer) == ("test/algebra/1.json", "\\frac{1}{2}")
    assert first.extra == {"subject": "Algebra", "level": 1}
    assert second.id == "test/algebra/2.json"
    assert list(math500(limit=1, benchmarks_dir=str(tmp_path))) == [first]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder that holds one small file of every benchmark."""
    for name, (_, _, _, rows) in ON_THE_HUB.items():
        put(tmp_path / "benchmarks", f"{name}/test.jsonl", *rows)
    for name, rows in FOLDERS.items():
        put(tmp_path / "benchmarks", f"{name}/test.jsonl", *rows)
    return str(tmp_path / "benchmarks")


NAMES = [name for name in registry.names("benchmark") if name not in ("heldout", "jsonl", "gym")]


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_loads_from_a_folder(name: str, folder: str) -> None:
    problems = list(registry.bind("benchmark", name, {}, benchmarks_dir=folder)())
    assert problems
    for problem in problems:
        assert problem.id
        assert problem.verifier in registry.names("verifier")
        assert problem.answer or problem.tests
        assert problem.source
        json.dumps([dict(problem.conventions), dict(problem.extra), problem.tests])
    assert list(registry.bind("benchmark", name, {"limit": 1}, benchmarks_dir=folder)()) == problems[:1]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_declares_only_conventions_that_its_verifier_has(name: str, folder: str) -> None:
    for problem in registry.bind("benchmark", name, {}, benchmarks_dir=folder)():
        if problem.conventions:
            registry.bind("verifier", str(problem.verifier), dict(problem.conventions))


def test_every_gold_is_accepted_by_its_verifier_and_another_is_not(folder: str) -> None:
    with Judge({}, workers=2, named=["math", "choice"]) as judge:
        for name in set(NAMES) - {"humaneval", "mbpp", "livecodebench"}:
            for problem in registry.bind("benchmark", name, {}, benchmarks_dir=folder)():
                other = "B" if problem.answer == "A" else "A" if problem.verifier == "choice" else "12345"
                right, wrong = (
                    judge.submit(problem, gold_trace("k", f"So it is \\boxed{{{answer.replace('$', '')}}}."))
                    for answer in (str(problem.answer), other)
                )
                assert (right.result()[0].outcome, wrong.result()[0].outcome) == ("right", "wrong"), problem
        (problem,) = gpqa_diamond(benchmarks_dir=folder)
        assert judge.submit(problem, gold_trace("k", "The answer is neon.")).result()[0].outcome == "right"


LOAD = """
import json, sys
from dataclasses import asdict
from datasets import config
from tracegen import registry
from tracegen.records import Unavailable
config.USE_PARQUET_EXPORT = False  # else it looks for a second server, the viewer's
for name in sys.argv[1:]:
    try:
        print(json.dumps([name, [asdict(p) for p in registry.bind("benchmark", name)()]]))
    except Unavailable as error:
        print(json.dumps([name, str(error)]))
"""


def test_the_hub_and_the_folder_give_the_same_problems(folder: str, tmp_path: Path) -> None:
    with FakeHub() as hub:
        for repo, part, split, rows in ON_THE_HUB.values():
            store(hub, repo, {part: {split: rows}})
        splits: dict[str, list[dict[str, Any]]] = {
            "prompt": [],
            "train": [],
            "test": [MBPP],
            "validation": [],
        }
        extra = {name: [MBPP | {"task_id": 600 + n}] for n, name in enumerate(splits) if name != "test"}
        store(hub, "google-research-datasets/mbpp", {"sanitized": splits | extra})
        made = hub.repos["datasets", "livecodebench/code_generation_lite"] = Repo("datasets", "livecodebench", False)
        made.commit("made", {"test6.jsonl": lines([LIVE, LIVE_FUNCTION])})
        asked = [*ON_THE_HUB, "mbpp", "livecodebench", "gpqa_diamond"]
        ran = subprocess.run(
            [sys.executable, "-c", LOAD, *asked],
            env={**os.environ, **hub.environment(tmp_path / "home")},
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert ran.returncode == 0, ran.stderr
    found = dict(json.loads(line) for line in ran.stdout.splitlines())
    assert list(found) == asked
    for name in [*ON_THE_HUB, "livecodebench"]:
        local = registry.bind("benchmark", name, {}, benchmarks_dir=folder)()
        assert [Problem(**row) for row in found[name]] == list(local), name
    assert {row["id"] for row in found["mbpp"]} == {"mbpp-12", "mbpp-600", "mbpp-601", "mbpp-603"}
    assert "Idavidrein/gpqa" in found["gpqa_diamond"]
    assert "or name a folder that holds gpqa_diamond/*.jsonl as benchmarks_dir" in found["gpqa_diamond"]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def store(hub: FakeHub, repo: str, parts: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    """A data set of the Hub with these parts and splits, as JSON lines."""
    files = {f"{part}/{split}.jsonl": lines(rows) for part, splits in parts.items() for split, rows in splits.items()}
    configs = [
        {
            "config_name": part,
            "data_files": [{"split": split, "path": f"{part}/{split}.jsonl"} for split in splits],
        }
        for part, splits in parts.items()
    ]
    card = f"---\n{yaml.safe_dump({'configs': configs})}---\n".encode()
    hub.repos["datasets", repo] = Repo("datasets", repo, False)
    hub.dataset(repo).commit("made", {"README.md": card, **files})


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_said_with_both_ways(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable, match=r"there is no .*jsonl; put it there, or .* from the Hub") as missing:
        list(registry.bind("benchmark", name, {}, benchmarks_dir=str(tmp_path))())
    assert missing.value.exit_status == 2

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to the Hub")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(Unavailable, match=r"from the Hub .*; or name a folder that holds .* as benchmarks_dir") as away:
        list(registry.bind("benchmark", name, {})())
    assert away.value.exit_status == 1


def test_an_empty_benchmark_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "gsm8k/test.jsonl")
    with pytest.raises(Unavailable, match="is empty"):
        list(gsm8k(benchmarks_dir=str(tmp_path)))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    put(tmp_path, "mine.jsonl", {"id": "a", "statement": "1 + 1?", "answer": "2"}, {"id": "b", "statement": "1 + 2?"})
    path = str(tmp_path / "mine.jsonl")
    assert [problem.id for problem in jsonl(path=path)] == ["a", "b"]
    assert list(heldout(path=path, limit=1)) == list(jsonl(path=path, limit=1))


def test_the_held_out_problems_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    problems = list(heldout())
    assert len(problems) >= 150
    assert all(problem.answer for problem in problems)


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


COUNTS = {
    **{"gsm8k": 1319, "math500": 500, "aime24": 30, "aime25": 30, "amc23": 40, "minerva_math": 272},
    **{"olympiadbench": 300, "humaneval": 164, "mbpp": 427, "livecodebench": 3},
}


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="no benchmark files beside the checkout")
@pytest.mark.parametrize("name", COUNTS)
def test_the_real_files_parse(name: str) -> None:
    problems = list(registry.bind("benchmark", name, {}, benchmarks_dir=str(BENCHMARKS))())
    assert len(problems) == len({problem.id for problem in problems}) == COUNTS[name]
    assert all(problem.answer or problem.tests for problem in problems)


def test_the_documentation_names_every_benchmark_and_its_example_holds() -> None:
    text = (Path(__file__).parents[1] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    table = text.split("## What there is", 1)[1].split("##", 1)[0]
    assert set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if "| `" in line))
    ) == {*registry.names("benchmark")}
    for name, (repo, _, _, _) in ON_THE_HUB.items():
        assert re.search(rf"^\| `{name}` .*`{repo}`", table, re.MULTILINE), name
    example = yaml.safe_load(text.split("```yaml\n", 1)[1].split("```", 1)[0])
    stage = recipe.Evaluate.model_validate(example["evaluate"])
    for name, entry in stage.benchmarks.items():
        registry.bind("benchmark", entry.benchmark or name, entry.options)
    assert stage.sampling_of("aime24").n == 16
    assert stage.sampling_of("aime24").max_tokens == 16384
    assert stage.sampling_of("gsm8k") == stage.sampling


def test_every_benchmark_is_found_by_name() -> None:
    assert {*COUNTS, "gpqa_diamond", "gym", "heldout", "jsonl"} <= set(registry.names("benchmark"))
    assert all(registry.summary("benchmark", name).endswith(".") for name in registry.names("benchmark"))
