"""Rows become problems; every mistake in them is one sentence with file and line."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracegen import registry
from tracegen.records import MissingExtra, Problem, TracegenError, UsageError, asdict
from tracegen.sources.gsm8k import gsm8k
from tracegen.sources.gym import gym
from tracegen.sources.hub import hub
from tracegen.sources.jsonl import jsonl

BENCHMARKS = Path(__file__).parents[2] / "shared" / "benchmarks"

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_lines(*lines: Any, name: str = "problems.jsonl") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        return str(path)

    return write_lines


@pytest.fixture
def table(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes rows to a folder that `datasets` can read, and keeps its cache out of the user's own."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return lambda *rows: str(Path(write(*rows, name="table/rows.jsonl")).parent)


def sentence(problems: Iterator[Problem]) -> str:
    """The one sentence of the UsageError that reading `problems` raises."""
    with pytest.raises(UsageError) as error:
        list(problems)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_line_becomes_a_problem_and_other_keys_go_to_extra(write: Write) -> None:
    row = {"id": "a1", "statement": "What is 2 + 3?", "answer": "5", "verifier": "exact", "source": "ours"}
    path = write({**row, "domain": "sums", "licence": "cc0-1.0", "tests": ["assert f() == 5"], "level": 2})
    assert list(jsonl(path=path)) == [
        Problem(**row, domain="sums", licence="cc0-1.0", tests=["assert f() == 5"], extra={"level": 2})
    ]


def test_what_was_read_can_be_written_and_read_again(write: Write) -> None:
    (problem,) = jsonl(path=write({"id": "a", "statement": "2 + 2 = ?", "answer": "4", "level": 2}))
    assert list(jsonl(path=write(asdict(problem), name="again.jsonl"))) == [problem]


def test_an_id_is_made_from_the_statement(write: Write) -> None:
    path = write({"statement": "What is 1 + 1?"}, {"statement": "What is 1 + 2?"})
    first, second = jsonl(path=path)
    assert len(first.id) == len(second.id) == 16
    assert first.id != second.id
    assert [first, second] == list(jsonl(path=path))


def test_blank_lines_and_a_byte_order_mark_are_not_in_the_way(write: Write) -> None:
    path = write("\ufeff" + json.dumps({"id": "a", "statement": "x?"}), "", {"id": "b", "statement": "y?"})
    assert [problem.id for problem in jsonl(path=path)] == ["a", "b"]


@pytest.mark.parametrize(("given", "text"), [(5, "5"), (2.5, "2.5"), ("05", "05"), (None, None)])
def test_an_answer_may_be_a_number(write: Write, given: Any, text: str | None) -> None:
    (problem,) = jsonl(path=write({"id": 7, "statement": "x?", "answer": given}))
    assert (problem.id, problem.answer) == ("7", text)


def test_the_limit_stops_reading(write: Write) -> None:
    path = write({"id": "a", "statement": "x?"}, {"id": "b", "statement": "y?"}, "never read")
    assert [problem.id for problem in jsonl(path=path, limit=2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id": "b", "statement": ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["statement"]', "a list, not a JSON object"),
        ("null", "null, not a JSON object"),
        ({"id": "b", "question": "y?"}, "no `statement`; its keys are id, question"),
        ({"id": "b", "statement": "  "}, "must be text, not blank text"),
        ({"id": "b", "statement": 5}, "must be text, not a number"),
        ({"id": "b", "statement": "y?", "answer": ["5"]}, "`answer` must be text or a number, not a list"),
        ({"id": True, "statement": "y?"}, "`id` must be text or a number, not true or false"),
        ({"id": "b", "statement": "y?", "verifier": {"math": {}}}, "`verifier` must be text or null, not an object"),
        ({"id": "b", "statement": "y?", "extra": 5}, "`extra` must be an object, not a number"),
        ({"id": "a", "statement": "y?"}, "the same id 'a' as"),
        ({"statement": "x?"}, "the same statement"),
    ],
)
def test_a_bad_line_is_named_by_file_and_line(write: Write, line: Any, said: str) -> None:
    first = {"statement": "x?"} if said == "the same statement" else {"id": "a", "statement": "x?"}
    path = write(first, "", line)
    told = sentence(jsonl(path=path))
    assert f"{path}, line 3" in told
    assert said in told


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(b'{"statement": "x?"}\n{"statement": "caf\xe9"}\n')
    assert f"{path}, line 2" in sentence(jsonl(path=str(path)))


def test_an_empty_or_missing_file_is_refused(write: Write) -> None:
    assert "holds no problems" in sentence(jsonl(path=write()))
    assert "holds no problems" in sentence(jsonl(path=write("", " ")))
    assert "there is no data file 'nowhere.jsonl'" in sentence(jsonl(path="nowhere.jsonl"))


@pytest.mark.parametrize("limit", [0, -1, "ten", True, 1.5])
def test_a_limit_is_a_whole_number_from_one(write: Write, limit: Any) -> None:
    assert "`limit` is" in sentence(jsonl(path=write({"statement": "x?"}), limit=limit))


def test_gsm8k_answers_stand_behind_the_mark_without_commas(write: Write, tmp_path: Path) -> None:
    write(
        {"question": "A pen costs 2. What do 3 cost?", "answer": "2 * 3 = <<2*3=6>>6\n#### 6"},
        {"question": "A hall has 40 rows of 30 seats. How many seats?", "answer": "40 * 30 = 1,200\n#### 1,200"},
        name="gsm8k/train.jsonl",
    )
    pens, seats = gsm8k(benchmarks_dir=str(tmp_path))
    assert pens == Problem(
        id="gsm8k-train-0",
        statement="A pen costs 2. What do 3 cost?",
        answer="6",
        verifier="math",
        conventions={"percent": "ignore"},
        source="openai/gsm8k",
        domain="math",
        licence="mit",
    )
    assert seats.answer == "1200"
    assert [problem.id for problem in gsm8k(limit=1, benchmarks_dir=str(tmp_path))] == ["gsm8k-train-0"]


def test_gsm8k_rows_of_another_layout_are_refused(write: Write, tmp_path: Path) -> None:
    write({"question": "x?", "answer": "6"}, name="gsm8k/train.jsonl")
    assert "train.jsonl, line 1: `answer` has no line '#### <number>'" in sentence(gsm8k(benchmarks_dir=str(tmp_path)))
    write({"problem": "x?", "answer": "#### 6"}, name="gsm8k/train.jsonl")
    assert "has no field 'question'; it has problem, answer" in sentence(gsm8k(benchmarks_dir=str(tmp_path)))


@pytest.mark.skipif(not (BENCHMARKS / "gsm8k").is_dir(), reason="no GSM8K files beside the checkout")
def test_the_real_gsm8k_parses() -> None:
    problems = list(gsm8k(benchmarks_dir=str(BENCHMARKS)))
    assert len(problems) >= 2000
    assert problems[0].answer == "72"
    assert all(float(problem.answer or "") == int(problem.answer or "") for problem in problems)


def test_gym_problems_follow_from_the_seed_and_survive_json() -> None:
    first, again, other = (list(gym(task="chain_sum", size=3, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert not {problem.id for problem in first} & {problem.id for problem in other}
    problem = first[0]
    assert (problem.verifier, problem.source, problem.domain) == ("gym", "reasoning_gym/chain_sum", "arithmetic")
    assert problem.extra["gym_task"] == "chain_sum"
    assert problem.extra["gym_entry"]["answer"] == problem.answer
    assert json.loads(json.dumps(asdict(problem)))["extra"] == problem.extra


def test_gym_passes_the_tasks_own_options_on() -> None:
    (problem,) = gym(task="chain_sum", size=1, config={"min_terms": 4, "max_terms": 4})
    assert problem.extra["gym_entry"]["metadata"]["num_terms"] == 4


def test_gym_refuses_what_it_does_not_know() -> None:
    assert "has no task 'chain_sums'; it has chain_sum" in sentence(gym(task="chain_sums", size=1))
    assert "does not take {'min_term': 4}" in sentence(gym(task="chain_sum", size=1, config={"min_term": 4}))
    assert "does not take {'min_terms': 0}" in sentence(gym(task="chain_sum", size=1, config={"min_terms": 0}))
    assert "`size` is 0" in sentence(gym(task="chain_sum", size=0))


def test_hub_reads_a_table_by_the_names_of_its_columns(table: Write) -> None:
    path = table({"q": "2 + 2?", "a": 4, "n": "p1"}, {"q": "3 + 3?", "a": 6, "n": "p2"})
    problems = list(hub(path=path, statement="q", answer="a", id="n", verifier="math", licence="mit"))
    assert [(problem.id, problem.statement, problem.answer) for problem in problems] == [
        ("p1", "2 + 2?", "4"),
        ("p2", "3 + 3?", "6"),
    ]
    assert (problems[0].source, problems[0].verifier, problems[0].licence) == (path, "math", "mit")
    (bare,) = hub(path=path, statement="q", answer=None, limit=1)
    assert (bare.id, bare.answer) == (f"{path}-train-0", None)
    assert "row 0 has no field 'problem'; it has q, a, n" in sentence(hub(path=path))
    assert "could not be loaded" in sentence(hub(path=path, split="validation"))


def test_hub_rows_without_an_answer_are_kept_and_double_ids_refused(table: Write) -> None:
    rows = [{"problem": "2 + 2?", "answer": None, "n": 1}, {"problem": "3 + 3?", "answer": "6", "n": 1}]
    path = table(*rows)
    assert [problem.answer for problem in hub(path=path)] == [None, "6"]
    assert "row 1 has the same id '1' as an earlier row" in sentence(hub(path=path, id="n"))


def test_a_table_that_cannot_be_read_is_refused(table: Write) -> None:
    assert "could not be loaded" in sentence(hub(path=table("not json")))


def test_a_hub_that_cannot_be_reached_is_not_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to the Hub")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(TracegenError, match=r"no route to the Hub.*name a folder that holds gsm8k/train") as error:
        list(gsm8k())
    assert error.value.exit_status == 1


@pytest.mark.parametrize(
    ("module", "problems", "extra"),
    [
        ("datasets", lambda: hub(path="someone/table"), "train"),
        ("reasoning_gym.factory", lambda: gym(task="chain_sum", size=1), "gym"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, problems: Callable[[], Iterator[Problem]], extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"tracegen\[{extra}\]"):
        list(problems())


def test_every_source_is_found_by_name() -> None:
    assert {"gsm8k", "gym", "hub", "jsonl"} <= set(registry.names("source"))
    assert all(registry.summary("source", name).endswith(".") for name in registry.names("source"))
