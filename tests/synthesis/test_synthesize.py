"""Synthesis end to end with a scripted teacher: what is kept, what is refused and why, votes, mistakes."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer
from writer import SEEDS, Teacher, boxed, dropped, problems_of, total

from tracegen.problems import source_of
from tracegen.records import TracegenError, UsageError
from tracegen.sources._material import gather


def test_new_problems_with_their_answers_and_where_they_come_from(make: Any, tmp_path: Path) -> None:
    def solve(statement: str, seed: int) -> str:
        # One solution in three goes wrong, each in its own way, and another writes the answer otherwise.
        return boxed(seed) if seed % 3 == 0 else boxed(f"{total(statement)}.0" if seed % 3 == 1 else total(statement))

    with FakeServer(Teacher(solve=solve)) as server:
        made = make(server, how={"harder": 1, "numbers": 2}, terms={"licence": "mit", "may_train": True})
        problems = list(problems_of(made, tmp_path / "run").values())
    assert len(problems) > 15
    assert {problem.id.split("-")[0] for problem in problems} == {"harder", "numbers"}
    for problem in problems:
        assert float(problem.answer or "") == total(problem.statement)
        assert (problem.verifier, problem.source, problem.domain) == ("math", "synthesized from ours", "sums")
        assert problem.licence == "cc0-1.0"
        extra = problem.extra
        assert extra["seed"] in {seed["id"] for seed in SEEDS}
        assert (extra["teacher"], extra["terms"]["licence"]) == ({"model": "fake", "revision": "r1"}, "mit")
        assert extra["agreement"] == extra["votes"] / extra["solutions"] >= 0.5
        assert extra["solutions"] == 4
    assert len({problem.extra["agreement"] for problem in problems}) > 1
    summary = json.loads((tmp_path / "run" / "source" / "summary.json").read_text())
    assert summary["problems"] == len(problems)
    assert summary["refused"] == dict(Counter(row["reason"] for row in dropped(tmp_path / "run")))
    assert "heldout" in summary["benchmarks"]
    assert "aime24" in summary["unchecked"]


def test_near_the_limit_little_is_asked_in_vain(make: Any, tmp_path: Path) -> None:
    with FakeServer(Teacher()) as server:
        assert len(problems_of(make(server, how={"numbers": 4}, limit=5), tmp_path / "run")) == 5
        drafts = sum("<problem>" in body["messages"][-1]["content"] for body in server.requests())
        tried = 5 + len(dropped(tmp_path / "run"))
        assert drafts <= tried + 2
        assert len(server.requests()) - drafts <= 4 * (tried + 1)


def test_what_is_malformed_is_refused(make: Any, tmp_path: Path) -> None:
    def draft(method: str, material: str, seed: int) -> str | None:
        return [
            None,
            "I would rather not.",
            "<problem>What is",
            "<problem>Too short.</problem>",
            "<problem>Ina has 3 pens and Bo has 4 pens. How many pens? \\boxed{7}</problem>",
            "<problem>Ina has 3 pens and Bo has 4 pens. How many pens?\nSolution: 7 pens</problem>",
            "<think>\n<problem>Ina has 3 pens, Bo has 4 pens, so how many?</problem>\n</think>\n\nNothing.",
        ][seed % 7]

    with FakeServer(Teacher(draft=draft)) as server:
        problems = problems_of(make(server, how={"numbers": 4}), tmp_path / "run")
    rows = dropped(tmp_path / "run")
    assert Counter(row["reason"] for row in rows)["malformed"] > 20
    assert all("keeps" in problem.statement for problem in problems.values())
    assert len(problems) + len(rows) == 40


def test_a_statement_that_is_known_is_refused(make: Any, tmp_path: Path) -> None:
    gsm = tmp_path / "held" / "gsm8k"
    gsm.mkdir()
    held = "Tom plants 12 oak trees along each of the 7 streets of his town every year. How many oak trees in 5 years?"
    (gsm / "test.jsonl").write_text(json.dumps({"question": held, "answer": "#### 420"}) + "\n")
    of_benchmark = held.replace("12", "9").replace("Tom", "Ali").replace("7", "8")

    def draft(method: str, material: str, seed: int) -> str | None:
        known = [
            of_benchmark,
            material,
            material.replace("red", "green"),
            "Kim walks 3 miles and then 4 more miles home. How far did Kim walk?",
            "Kim walks 3 miles and then 4 more miles home. How far did KIM walk?!",
            "Kim walks 3 miles and then 4 more miles home. So how far did Kim walk?",
            "Kim walks 8 miles and then 9 more miles home. How far did Kim walk?",
        ]
        return f"<problem>{known[seed % len(known)]}</problem>"

    with FakeServer(Teacher(draft=draft)) as server:
        made = make(server, how={"numbers": 6}).model_copy(update={"benchmarks_dir": str(tmp_path / "held")})
        problems = problems_of(made, tmp_path / "run")
    assert {problem.statement[:12] for problem in problems.values()} == {"Kim walks 3 ", "Kim walks 8 "}
    rows = dropped(tmp_path / "run")
    reasons = Counter(row["reason"] for row in rows)
    assert set(reasons) == {"near_duplicate_of_benchmark", "near_duplicate_of_seed", "duplicate", "near_duplicate"}
    for row in rows:
        expected = {"near_duplicate_of_benchmark": "gsm8k", "near_duplicate_of_seed": row["extra"]["seed"]}
        assert row["extra"]["like"] in (expected.get(row["reason"]), *problems)


def test_a_vote_needs_a_majority_and_an_answer_that_can_be_read(make: Any, tmp_path: Path) -> None:
    def kind(statement: str) -> int:
        return int(re.findall(r"\d+", statement)[0]) % 5

    def solve(statement: str, seed: int) -> str:
        return [
            boxed(seed),  # everyone says something else
            boxed("1" if seed % 2 else "2"),
            "I cannot tell.",
            boxed("see the figure"),
            boxed(total(statement)),
        ][kind(statement)]

    with FakeServer(Teacher(solve=solve)) as server:
        problems = problems_of(make(server, how={"numbers": 5}, min_agreement=0.75), tmp_path / "run")
    agreed = Counter((kind(problem.statement), problem.extra["votes"]) for problem in problems.values())
    assert set(agreed) == {(1, 3), (1, 4), (4, 4)}
    rows = dropped(tmp_path / "run")
    of_kind: dict[int, set[str]] = {}
    for row in rows:
        if "votes" in row["extra"]:
            of_kind.setdefault(kind(row["statement"]), set()).add(row["reason"])
    assert of_kind == {0: {"low_agreement"}, 1: {"low_agreement"}, 2: {"no_answer"}, 3: {"unverifiable_answer"}}


def test_other_words_must_keep_the_answer(make: Any, tmp_path: Path) -> None:
    def draft(method: str, material: str, seed: int) -> str:
        one, two = map(int, re.findall(r"\d+", material))
        two += seed % 2
        return f"<problem>There are {one} marbles in a bag, {two} are put in as well. What number is it now?</problem>"

    with FakeServer(Teacher(draft=draft)) as server:
        problems = problems_of(make(server, how={"rephrase": 2}), tmp_path / "run")
    golds = {seed["id"]: seed["answer"] for seed in SEEDS}
    assert all(problem.answer == golds[problem.extra["seed"]] for problem in problems.values())
    assert "answer_changed" in {row["reason"] for row in dropped(tmp_path / "run")}


def test_topics_personas_documents_and_a_method_of_ones_own(make: Any, tmp_path: Path) -> None:
    (tmp_path / "topics.yaml").write_text(
        "Algebra:\n  Equations: [Linear, Quadratic]\nGeometry:\n- Circles\n- Areas:\n"
    )
    (tmp_path / "people.txt").write_text("A baker in Oslo\n\nA nurse on night duty\nA baker in Oslo\n")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "tides.md").write_text("\n\n".join(f"The tide comes {n} times. " * 20 for n in range(8)))
    (tmp_path / "mine.yaml").write_text("user: 'a topic: write <problem> on it:\n\n  {{ problem.statement }}'\n")
    files = {"topics": "topics.yaml", "personas": "people.txt", "documents": "texts"}
    with FakeServer(Teacher()) as server:
        own = str(tmp_path / "mine.yaml")
        how = {"topic": 1, "persona": 2, "document": 1, own: 1}
        named = {kind: str(tmp_path / file) for kind, file in files.items()}
        made = make(server, how=how, licence="cc-by-4.0", domain="various", **named)
        problems = problems_of(made, tmp_path / "run")
        prompts = [body["messages"][-1]["content"] for body in server.requests()]
    assert Counter(problem.extra["method"] for problem in problems.values()) == {
        "topic": 4, "persona": 4, "document": 2, "mine": 10
    }  # fmt: skip
    by_method = {problem.extra["method"]: problem for problem in problems.values()}
    topics = {p.extra["topic"]: p.domain for p in problems.values() if p.extra["method"] == "topic"}
    assert topics == {
        "Algebra > Equations > Linear": "algebra", "Algebra > Equations > Quadratic": "algebra",
        "Geometry > Circles": "geometry", "Geometry > Areas": "geometry",
    }  # fmt: skip
    assert any(prompt.endswith("Topic:\nAlgebra > Equations > Linear") for prompt in prompts)
    assert {p.extra["persona"] for p in problems.values() if p.extra["method"] == "persona"} == {
        "A baker in Oslo",
        "A nurse on night duty",
    }
    assert by_method["document"].extra["document"].startswith("tides.md#")
    assert (by_method["document"].source, by_method["document"].licence) == ("synthesized from document", "cc-by-4.0")
    assert (by_method["mine"].source, by_method["persona"].domain) == ("synthesized from ours", "various")


def test_documents_are_read_in_passages_that_end_where_a_paragraph_does(tmp_path: Path) -> None:
    def passages(*lengths: int) -> list[int]:
        text = "\n\n".join(" ".join(f"word{n}" for n in range(length)) for length in lengths)
        (tmp_path / "text.md").write_text(text)
        found = gather(None, None, None, str(tmp_path / "text.md"), None)["documents"]
        assert " ".join(piece.statement for piece in found).split() == text.split()
        return [len(piece.statement.split()) for piece in found]

    assert passages(100, 100, 100, 100, 50) == [400, 50]
    assert passages(300, 300, 20) == [300, 320]
    assert passages(390, 30) == [420]
    assert passages(10, 395) == [405]
    assert passages(1000) == [400, 400, 200]
    assert passages(5) == [5]


def test_a_teacher_that_gives_nothing_usable_is_given_up(make: Any, tmp_path: Path) -> None:
    with FakeServer(Teacher(draft=lambda *_: "No.")) as server:
        with pytest.raises(TracegenError, match=r"none of \d+ attempts gave a problem \(malformed \d+\)"):
            problems_of(make(server, how={"numbers": 50}, give_up_after=20), tmp_path / "run")
        assert 20 <= len(server.requests()) <= 20 + 128 + 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seeds": None}, "needs something to begin with: seeds, topics, personas or documents"),
        ({"seeds": {"path": "x"}}, "`seeds` needs a `source`"),
        ({"seeds": {"source": "synthesize"}}, "which asks a model itself"),
        ({"how": {"topic": 1}}, "the method 'topic' needs topics"),
        ({"how": {"olympiad": 1}}, "there is no prompt 'synthesize_olympiad'"),
        ({"how": {"numbers": 0}}, "how is"),
        ({"personas": "nowhere.txt"}, "there is no file nowhere.txt; `personas` names one"),
        ({"solutions": 1}, "solutions is 1"),
        ({"solution": 8}, "has no option 'solution'; it takes seeds"),
        ({"sampling": {"temperature": 0}}, "sampling.temperature above 0"),
        ({"sampling": {"n": 4}}, "sampling.n stays 1"),
        ({"models": "x"}, "has no option 'models'"),
    ],
)
def test_mistakes_are_found_before_anyone_is_asked(make: Any, tmp_path: Path, options: Any, said: str) -> None:
    with FakeServer(Teacher()) as server:
        with pytest.raises(UsageError, match=re.escape(said)) as error:
            problems_of(make(server, **options), tmp_path / "run")
        assert "\n" not in str(error.value)
        assert server.requests() == []


def test_seeds_that_are_programs_are_refused(make: Any, tmp_path: Path) -> None:
    row = {"id": "f", "statement": "Write f.", "tests": ["assert f() == 1"], "verifier": "code"}
    (tmp_path / "code.jsonl").write_text(json.dumps(row) + "\n")
    with FakeServer(Teacher()) as server:
        with pytest.raises(UsageError, match="the seed f is judged by tests"):
            problems_of(make(server, seeds={"source": "jsonl", "path": str(tmp_path / "code.jsonl")}), tmp_path / "r")


def test_the_model_is_told_apart_from_the_options(make: Any) -> None:
    with FakeServer(Teacher()) as server:
        source = source_of(make(server, limit=3, prices={"input": 1.0}))
    assert source.asked is not None
    assert (source.asked.model, source.asked.prices and source.asked.prices.input) == ("fake", 1.0)
    assert set(source.options) == {"seeds", "solutions", "limit"}
