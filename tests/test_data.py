"""The problems that we ship: enough of them, disjoint, well formed, and what their script writes."""

import json
import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SPLITS = ("quickstart", "heldout")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ROOT / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def words(statement: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", statement.lower()))


def n_grams(statement: str, n: int) -> set[tuple[str, ...]]:
    found = words(statement)
    return {found[i : i + n] for i in range(len(found) - n + 1)}


@pytest.mark.parametrize(("name", "least"), [("quickstart", 300), ("heldout", 150)])
def test_there_are_enough_problems_of_at_least_three_kinds(name: str, least: int) -> None:
    problems = rows(name)
    assert len(problems) >= least
    kinds = Counter(problem["domain"] for problem in problems)
    assert {"arithmetic", "word", "symbolic"} <= set(kinds)
    assert min(kinds.values()) >= 0.15 * len(problems)


@pytest.mark.parametrize("name", SPLITS)
def test_every_row_says_how_it_is_judged_and_where_it_comes_from(name: str) -> None:
    for problem in rows(name):
        common = {"id", "statement", "answer", "verifier", "source", "domain", "licence"}
        gym = {"gym_task", "gym_entry"} if problem["verifier"] == "gym" else set()
        assert set(problem) == common | gym
        assert problem["verifier"] in ("math", "gym")
        assert problem["statement"].strip() == problem["statement"] != ""
        assert re.fullmatch(r"-?\d+", problem["answer"])
        assert problem["licence"] == "apache-2.0"


def test_ids_and_statements_are_unique_over_both_files() -> None:
    both = [problem for name in SPLITS for problem in rows(name)]
    assert len({problem["id"] for problem in both}) == len(both)
    assert len({words(problem["statement"]) for problem in both}) == len(both)


def test_no_13_words_in_a_row_are_shared() -> None:
    # 13 words: the window of GPT-3's decontamination (arXiv:2005.14165, appendix C).
    quickstart, heldout = ({gram for p in rows(name) for gram in n_grams(p["statement"], 13)} for name in SPLITS)
    assert not quickstart & heldout


def test_no_name_comes_in_both_files() -> None:
    names = runpy.run_path(str(ROOT / "scripts" / "make_data.py"))["NAMES"]
    for name, other in (SPLITS, SPLITS[::-1]):
        text = " ".join(problem["statement"] for problem in rows(name))
        assert not [person for person in names[other] if re.search(rf"\b{person}\b", text)]


def test_gym_entries_are_accepted_by_their_own_scorer() -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    scorers: dict[str, Any] = {}
    for problem in (p for name in SPLITS for p in rows(name) if p["verifier"] == "gym"):
        task, entry = problem["gym_task"], problem["gym_entry"]
        scorer = scorers.setdefault(task, reasoning_gym.create_dataset(task, size=1, seed=1))
        assert entry["question"].strip() == problem["statement"]
        assert scorer.score_answer(problem["answer"], entry) == 1.0
        assert scorer.score_answer(str(int(problem["answer"]) + 1), entry) < 1.0


def test_the_script_writes_these_very_files(tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym")
    runpy.run_path(str(ROOT / "scripts" / "make_data.py"))["main"](tmp_path)
    for name in SPLITS:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (ROOT / "data" / f"{name}.jsonl").read_bytes()
