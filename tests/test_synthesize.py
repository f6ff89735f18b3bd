"""Synthesis end to end with a scripted teacher: what is kept, what is refused and why, votes, limits, kills."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

from tracegen import recipe as recipes
from tracegen import rundir
from tracegen.ledger import read
from tracegen.problems import read_problems, source_of
from tracegen.recipe import Recipe
from tracegen.records import BudgetReached, Problem, TracegenError, UsageError
from tracegen.sources._material import gather

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


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe that synthesizes from SEEDS with a teacher at `server`."""
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(seed) + "\n" for seed in SEEDS))
    (tmp_path / "held").mkdir()

    def write(server: FakeServer, budget: dict[str, Any] | None = None, **problems: Any) -> Recipe:
        asked = {
            "engine": "openai",
            "model": "fake",
            "revision": "r1",
            "options": {"base_url": server.base_url, "concurrency": 32, "max_retries": 0},
            "sampling": {"temperature": 0.8, "max_tokens": 300},
        }
        seeds = {"source": "jsonl", "path": str(tmp_path / "seeds.jsonl")}
        tree = {
            "name": "made",
            "problems": {"source": "synthesize", "seeds": seeds, "solutions": 4, **asked, **problems},
            "prompt": "math",
            "teachers": {"t": {"engine": "openai", "model": "fake", "options": asked["options"]}},
            "verifiers": {"math": {}},
            "budget": budget or {},
        }
        (tmp_path / "made.yaml").write_text(json.dumps(tree))
        return recipes.load(tmp_path / "made.yaml")

    return write


def problems_of(made: Recipe, run: Path) -> dict[str, Problem]:
    with rundir.owned(run):
        return read_problems(made, run)


def dropped(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "source" / "dropped_problems.jsonl").read_text().splitlines()]


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


def test_the_same_again_asks_nothing_and_gives_the_same(make: Any, tmp_path: Path) -> None:
    with FakeServer(Teacher()) as server:
        made = make(server, limit=8)
        first = problems_of(made, tmp_path / "run")
        asked = len(server.requests())
        assert len(first) == 8
        assert problems_of(made, tmp_path / "run") == first
        # A folder without the stage, but with the ledger: all is worked out again, and nobody is asked.
        (tmp_path / "run" / "source" / "stage.json").unlink()
        assert list(problems_of(made, tmp_path / "run").items()) == list(first.items())
        assert len(server.requests()) == asked
        # A server that answers in another order gives the same problems in the same order.
        server.reply = slow = Teacher()
        slow.latency = 0.05
        assert list(problems_of(made, tmp_path / "other").items()) == list(first.items())
        # A higher limit begins with the same problems.
        more = problems_of(make(server, limit=12), tmp_path / "run")
        assert list(more.items())[:8] == list(first.items())


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


def test_what_failed_is_asked_again_and_nothing_else(make: Any, tmp_path: Path) -> None:
    teacher = Teacher()

    def failing(body: dict[str, Any]) -> dict[str, Any]:
        return {"status": 400, "message": "odd"} if body["seed"] % 5 == 0 else teacher(body)

    with FakeServer(failing) as server:
        made = make(server, limit=30)
        before = problems_of(made, tmp_path / "run")
        unanswered = [row for row in dropped(tmp_path / "run") if row["reason"] == "unanswered"]
        assert unanswered
        assert all("odd" in row["extra"]["error"] for row in unanswered)
        first = len(server.requests())
        failed = sum(body["seed"] % 5 == 0 for body in server.requests())
        server.reply = teacher
        after = problems_of(made, tmp_path / "run")
        assert len(before) < len(after)
        again = server.requests()[first:]
        assert sum(body["seed"] % 5 == 0 for body in again) >= failed
        asked = Counter(json.dumps([body["messages"], body["seed"]]) for body in server.requests() if body["seed"] % 5)
        assert set(asked.values()) == {1}
        there = len(server.requests())
        assert problems_of(made, tmp_path / "run") == after
        assert len(server.requests()) == there


def test_the_budget_ends_it_and_a_higher_one_goes_on(make: Any, tmp_path: Path) -> None:
    prices = {"input": 10.0, "output": 10.0}
    with FakeServer(Teacher()) as server:
        with pytest.raises(BudgetReached, match=r"budget\.tokens is 2000"):
            problems_of(make(server, budget={"tokens": 2000}, prices=prices), tmp_path / "run")
        paid = len(list(read(tmp_path / "run" / "asked" / "source")))
        assert 0 < paid == len(server.requests())
        problems_of(make(server, budget={"tokens": 2_000_000}, prices=prices), tmp_path / "run")
        asked = Counter(json.dumps([body["messages"], body["seed"]]) for body in server.requests())
        assert set(asked.values()) == {1}


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


def tracegen(folder: Path, verb: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracegen.cli", verb, str(folder / "made.yaml"), "--run-dir", str(folder / "run")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def test_a_run_that_is_killed_goes_on_and_asks_nothing_twice(make: Any, tmp_path: Path) -> None:
    teacher = Teacher(latency=0.05)
    with FakeServer(teacher) as server:
        make(server, how={"numbers": 3}, limit=25)
        ledger, run = tmp_path / "run" / "asked" / "source", tmp_path / "run"
        command = [sys.executable, "-m", "tracegen.cli", "generate", str(tmp_path / "made.yaml"), "--run-dir", str(run)]
        before: set[str] = set()
        for kill in range(3):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
            deadline = time.monotonic() + 60
            while len(list(read(ledger))) < 15 * (kill + 1):
                assert process.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            stored = {row["key"] for row in read(ledger)}
            assert before <= stored
            before = stored
        assert (run / "recipe.yaml").is_file()
        done = tracegen(tmp_path, "generate")
        assert done.returncode == 0, done.stderr
        keys = Counter(row["key"] for row in read(ledger))
        assert set(keys.values()) == {1}
        kept = (run / "problems.jsonl").read_text().splitlines()
        assert len(kept) == 25
        # An uninterrupted run elsewhere makes the same.
        made = recipes.load(tmp_path / "made.yaml")
        assert [Problem(**json.loads(line)) for line in kept] == list(problems_of(made, tmp_path / "whole").values())
        asked = len(server.requests())
        for verb in ("verify", "check"):
            again = (
                tracegen(tmp_path, verb)
                if verb == "verify"
                else subprocess.run(
                    [sys.executable, "-m", "tracegen.cli", "check", str(run)],
                    capture_output=True,
                    text=True,
                    timeout=200,
                )
            )
            assert again.returncode == 0, again.stderr
        assert len(server.requests()) == asked


def test_interrupted_once_it_waits_for_what_is_paid_for_and_twice_it_ends(make: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "tracegen.cli", "generate", str(tmp_path / "made.yaml"), "--run-dir", str(run)]

    def interrupted(server: FakeServer, twice: bool) -> tuple[int, str, int]:
        seen = len(server.requests())
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        while len(server.requests()) < seen + 4:
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(0.5)  # all that is going to be in flight is
        process.send_signal(signal.SIGINT)
        if twice:
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=40)
        return process.returncode, said, len(server.requests()) - seen

    teacher = Teacher(latency=4.0)
    with FakeServer(teacher) as server:
        make(server, how={"numbers": 1}, limit=4)
        status, said, asked = interrupted(server, twice=False)
        assert status == 130
        assert "in flight are waited for" in said
        assert f"tracegen run {run}" in said
        stored = len(list(read(run / "asked" / "source")))
        assert stored == asked
        teacher.latency = 60.0
        status, _, _ = interrupted(server, twice=True)
        assert status == 130
        assert len(list(read(run / "asked" / "source"))) == stored
        teacher.latency = 0.0
        assert tracegen(tmp_path, "generate").returncode == 0


def test_check_asks_nobody(make: Any, tmp_path: Path) -> None:
    with FakeServer(Teacher()) as server:
        make(server)
        command = [sys.executable, "-m", "tracegen.cli", "check", str(tmp_path / "made.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=100, check=False)
        assert done.returncode == 2
        assert "made by asking a model; `tracegen generate` makes them" in done.stderr
        assert server.requests() == []
