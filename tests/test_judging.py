"""Verdicts of a run: what is judged again, votes over all traces of a problem, and budgets of models that are asked."""

import json
import re
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

from tracegen import prompts
from tracegen.cost import Meter
from tracegen.generate import Asker
from tracegen.judging import Judging
from tracegen.ledger import read
from tracegen.models import Model
from tracegen.recipe import Budget, Sampling
from tracegen.records import BudgetReached, Problem, Trace, TracegenError, Verdict
from tracegen.sample import judged, sample, settled
from tracegen.verdicts import Verdicts, present
from tracegen.verify import WINDOW, Judge

ENGINE = '''
import time
from tracegen.records import Completion

def scripted(requests, *, model, answers, cut=0, pause=0.0):
    """Sample n of every problem is `answers[n]`; the first `cut` of them are cut off."""
    for request in requests:
        time.sleep(pause)
        if request is not None:
            text = f"<think>\\nhm\\n</think>\\n\\nIt is \\\\boxed{{{answers[request.sample]}}}."
            yield request, Completion(text, None, "length" if request.sample < cut else "stop", 10, 5)
'''
PROBLEMS = {"p": Problem("p", "How many?")}


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Asker]:
    (tmp_path / "mine.py").write_text(ENGINE)
    (tmp_path / "prompt.yaml").write_text("user: '{{ problem.statement }}'")

    def make(*answers: str, max_tokens: int = 9, **options: Any) -> Asker:
        return Asker(
            name="t",
            model=Model("m", "m", "r1"),
            engine=f"{tmp_path / 'mine.py'}:scripted",
            options={"answers": list(answers), **options},
            prompt=prompts.load(str(tmp_path / "prompt.yaml")),
            reasoning="prompted",
            sampling=Sampling(n=len(answers), max_tokens=max_tokens),
            seed=1,
        )

    return make


@pytest.fixture(scope="module")
def voting() -> Iterator[Judge]:
    with Judge({"math": {}, "majority": {}}, workers=1) as judge:
        yield judge


def outcomes(tmp_path: Path, judge: Judge, asker: Asker, problems: dict[str, Problem] = PROBLEMS) -> list[str]:
    run = tmp_path / "run"
    sample(run, problems=problems, askers=[asker], judge=judge)
    traces = list(judged(run, problems=problems, askers=[asker], judge=judge))
    return [trace.verdict.outcome if trace.verdict else "none" for trace in sorted(traces, key=lambda t: t.sample)]


def rows(tmp_path: Path) -> list[dict[str, Any]]:
    text = (tmp_path / "run" / "verdicts" / "verdicts.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_problem_without_a_gold_is_voted_on_when_all_its_traces_are_there(
    tmp_path: Path, voting: Judge, ask: Callable[..., Asker]
) -> None:
    assert outcomes(tmp_path, voting, ask("7", "8", "7.0")) == ["right", "wrong", "right"]
    written = rows(tmp_path)
    assert [(row["verifier"], row["outcome"], row["heard"], row["decides"]) for row in written[:2]] == [
        ("math", "unverifiable", 1, False),
        ("majority", "right", 2, True),
    ]
    assert written[1]["share"] == pytest.approx(2 / 3)
    assert written[1]["detail"] == "2 of 3 votes for 7"


def test_a_vote_stands_until_the_voters_change(tmp_path: Path, voting: Judge, ask: Callable[..., Asker]) -> None:
    outcomes(tmp_path, voting, ask("7", "8", "7"))
    assert outcomes(tmp_path, voting, ask("7", "8", "7")) == ["right", "wrong", "right"]
    assert len(rows(tmp_path)) == 6
    assert outcomes(tmp_path, voting, ask("7", "8", "7", "8", "8")) == ["wrong", "right", "wrong", "right", "right"]
    assert len(rows(tmp_path)) == 6 + 10
    assert outcomes(tmp_path, voting, ask("7", "8", "7")) == ["right", "wrong", "right"]


def test_between_new_traces_and_the_vote_the_old_one_does_not_count(
    tmp_path: Path, voting: Judge, ask: Callable[..., Asker]
) -> None:
    outcomes(tmp_path, voting, ask("7", "8", "7"))
    more = ask("7", "8", "7", "8", "8")
    with Judge({"exact": {}}) as other:  # samples and judges elsewhere, so that no vote is held here
        sample(tmp_path / "other", problems=PROBLEMS, askers=[more], judge=other)
    for segment in (tmp_path / "other" / "traces").iterdir():
        (tmp_path / "run" / "traces" / f"9{segment.name}").write_bytes(segment.read_bytes())
    traces = list(judged(tmp_path / "run", problems=PROBLEMS, askers=[more], judge=voting))
    assert [trace.verdict for trace in traces] == [None] * 5
    sample(tmp_path / "run", problems=PROBLEMS, askers=[more], judge=voting, ask=False)
    traces = list(judged(tmp_path / "run", problems=PROBLEMS, askers=[more], judge=voting))
    assert sorted(trace.verdict.outcome for trace in traces if trace.verdict) == ["right"] * 3 + ["wrong"] * 2


def test_problems_with_a_gold_of_their_own_do_not_wait_for_a_vote(
    tmp_path: Path, voting: Judge, ask: Callable[..., Asker]
) -> None:
    known = {"p": replace(PROBLEMS["p"], answer="8", verifier="math")}
    assert not voting.compares(known["p"])
    assert outcomes(tmp_path, voting, ask("7", "8", "7"), known) == ["wrong", "right", "wrong"]


def test_an_answer_that_was_continued_is_judged_again(tmp_path: Path, ask: Callable[..., Asker]) -> None:
    known = {"p": replace(PROBLEMS["p"], answer="7")}
    with Judge({"math": {}}, workers=1) as judge:
        assert outcomes(tmp_path, judge, ask("7", "7", cut=1), known) == ["wrong", "right"]
        assert outcomes(tmp_path, judge, ask("7", "7", max_tokens=99), known) == ["right", "right"]
    assert [row["reason"] for row in rows(tmp_path)] == ["truncated", "equal", "equal"]


def trace(response: str = "7") -> Trace:
    return Trace("k", "p", "t", 0, (), "", response, "complete", "stop", 1)


@pytest.mark.parametrize(
    ("verdicts", "due"),
    [
        ([], True),
        ([Verdict("right", key="k")], False),
        ([Verdict("error", reason="timeout", key="k")], False),
        ([Verdict("error", reason="unanswered", key="k")], True),
        ([Verdict("right", key="k"), Verdict("error", reason="unanswered", key="k", second_opinion=True)], True),
    ],
)
def test_what_is_heard_again_by_the_next_launch(tmp_path: Path, verdicts: list[Verdict], due: bool) -> None:
    log = Verdicts(tmp_path / "verdicts", {"": "panel"})
    log.add(trace(), PROBLEMS["p"], verdicts)
    log.close()
    again = Verdicts(tmp_path / "verdicts", {"": "panel"})
    assert again.due(trace(), PROBLEMS["p"]) is due
    assert again.of(trace(), PROBLEMS["p"]) == verdicts
    assert again.due(trace("8"), PROBLEMS["p"])
    again.close()


def test_of_several_hearings_the_last_one_counts(tmp_path: Path) -> None:
    log = Verdicts(tmp_path / "verdicts", {"": "panel"})
    log.add(trace(), PROBLEMS["p"], [Verdict("unverifiable", key="k"), Verdict("error", key="k")])
    log.add(trace(), PROBLEMS["p"], [Verdict("right", key="k")])
    log.close()
    path = tmp_path / "verdicts" / "verdicts.jsonl"
    with path.open("a") as file:
        file.write('{"torn')
    (verdict,) = present(tmp_path / "verdicts", PROBLEMS)("k", "p")
    assert verdict.outcome == "right"


def test_a_verdict_that_finds_no_room_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    """A full disk takes a part of a line; the next one must not be joined to that once there is room again."""
    log, right = Verdicts(tmp_path / "verdicts", {"": "panel"}), [Verdict("right", key="k")]
    log.add(trace(), PROBLEMS["p"], right)
    size = (tmp_path / "verdicts" / "verdicts.jsonl").stat().st_size
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))
    try:
        with pytest.raises(OSError):
            log.add(trace("8"), PROBLEMS["p"], [Verdict("wrong", key="k")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    log.add(trace("9"), PROBLEMS["p"], right)
    log.close()
    again = reopened(tmp_path)
    assert again.of(trace("9"), PROBLEMS["p"]) == right
    assert again.due(trace("8"), PROBLEMS["p"])
    again.close()


def reopened(tmp_path: Path, panel: str = "panel") -> Verdicts:
    return Verdicts(tmp_path / "verdicts", {"": panel})


def test_a_hearing_that_a_kill_tore_apart_is_held_again(tmp_path: Path) -> None:
    whole = [Verdict("wrong", key="k"), Verdict("right", key="k"), Verdict("wrong", key="k", second_opinion=True)]
    log = reopened(tmp_path)
    log.add(trace(), PROBLEMS["p"], whole)
    log.close()
    path = tmp_path / "verdicts" / "verdicts.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    for left in range(4):  # 1: nobody decided; 2: the second opinion is lacking
        path.write_text("".join(lines[:left]) + '{"torn')
        log = reopened(tmp_path)
        assert log.due(trace(), PROBLEMS["p"]) is (left < 3)
        assert log.of(trace(), PROBLEMS["p"]) == (whole if left == 3 else [])
        log.close()


def test_what_another_panel_heard_is_history_until_it_comes_back(tmp_path: Path) -> None:
    for panel, outcome in (("one", "right"), ("two", "wrong")):
        log = reopened(tmp_path, panel)
        assert log.due(trace(), PROBLEMS["p"])
        log.add(trace(), PROBLEMS["p"], [Verdict(outcome, key="k")])
        log.close()
        (verdict,) = present(tmp_path / "verdicts", PROBLEMS)("k", "p")
        assert verdict.outcome == outcome
    log = reopened(tmp_path, "one")
    assert [verdict.outcome for verdict in log.of(trace(), PROBLEMS["p"])] == ["right"]
    log.close()
    (verdict,) = present(tmp_path / "verdicts", PROBLEMS)("k", "p")
    assert verdict.outcome == "right"


def test_a_narrower_set_of_problems_costs_no_verdict(tmp_path: Path, ask: Callable[..., Asker]) -> None:
    named = Problem("q", "How many more?", answer="7", verifier="exact")
    all_problems = {"p": Problem("p", "How many?", answer="7"), "q": named}
    asker = ask("7")
    with Judge({"math": {}}, workers=1) as judge:
        sample(tmp_path / "run", problems=all_problems, askers=[asker], judge=judge)
        written = rows(tmp_path)
        for problems in ({"p": all_problems["p"]}, all_problems):
            found = list(judged(tmp_path / "run", problems=problems, askers=[asker], judge=judge))
            assert [trace.verdict.outcome for trace in found if trace.verdict] == ["right"] * len(problems)
    assert rows(tmp_path) == written


def test_verdicts_of_an_earlier_version_load_and_are_made_again(tmp_path: Path) -> None:
    log = reopened(tmp_path)
    log.add(trace(), PROBLEMS["p"], [Verdict("right", key="k")])
    log.close()
    path = tmp_path / "verdicts" / "verdicts.jsonl"
    row = json.loads(path.read_text())
    path.write_text(
        json.dumps({name: row[name] for name in row if name not in ("panel", "of", "heard", "decides")}) + "\n"
    )
    (path.parent / "stage.json").unlink()
    (verdict,) = present(tmp_path / "verdicts", PROBLEMS)("k", "p")
    assert verdict.outcome == "right"
    log = reopened(tmp_path)
    assert log.due(trace(), PROBLEMS["p"])
    log.close()


def test_a_panel_does_not_depend_on_what_other_problems_name() -> None:
    plain, named = Problem("p", ""), Problem("q", "", verifier="exact")
    with Judge({"math": {}}) as judge, Judge({"math": {"units": "strict"}}) as strict:
        assert judge.panels([plain, named])[""] == judge.panels([plain])[""]
        assert judge.panels([named]) == strict.panels([named])
        assert judge.panels([plain]) != strict.panels([plain])


class Scripted(Judge):
    """Hears in a thread of its own, and comes to what `outcome` says or raises."""

    def __init__(self, outcome: str | TracegenError) -> None:
        super().__init__({})
        self.outcome, self.thread = outcome, ThreadPoolExecutor(1)
        self.submitted = self.heard = self.most_in_flight = 0

    def submit(self, problem: Problem, trace: Trace, *_: Any, **__: Any) -> Future[list[Verdict]]:
        self.submitted += 1
        self.most_in_flight = max(self.most_in_flight, self.submitted - self.heard)
        return self.thread.submit(self._hear, trace)

    def _hear(self, trace: Trace) -> list[Verdict]:
        self.heard += 1
        if isinstance(self.outcome, TracegenError):
            raise self.outcome
        return [Verdict(self.outcome, key=trace.key)]


def test_stored_traces_are_judged_a_window_at_a_time_and_written_down_as_they_come(tmp_path: Path) -> None:
    log, judge = reopened(tmp_path), Scripted("right")
    path = tmp_path / "verdicts" / "verdicts.jsonl"
    many = 3 * WINDOW

    def stored() -> Iterator[Trace]:
        for n in range(many):
            yield replace(trace(), key=str(n))
            assert len(path.read_text().splitlines()) > n - WINDOW

    Judging(judge, log, PROBLEMS).take_all(stored())
    log.close()
    assert judge.most_in_flight <= WINDOW
    assert len(path.read_text().splitlines()) == many


def test_a_judge_that_dies_ends_the_drawing_and_raises_only_when_all_is_collected(
    tmp_path: Path, ask: Callable[..., Asker]
) -> None:
    judge = Scripted(TracegenError("the model is gone."))
    with pytest.raises(TracegenError, match="the model is gone"):
        sample(tmp_path, problems=PROBLEMS, askers=[ask(*"7" * 500, pause=0.002)], judge=judge)
    assert 1 <= len(list(read(tmp_path / "traces"))) < 500


@pytest.mark.parametrize(("reason", "final"), [("equal", True), ("unanswered", False), ("infrastructure", False)])
def test_a_stage_is_settled_when_nothing_is_missing_and_all_verdicts_are_final(
    tmp_path: Path, ask: Callable[..., Asker], reason: str, final: bool
) -> None:
    asker, judge = ask("7"), Scripted("right")
    run = {"problems": PROBLEMS, "askers": [asker], "judge": judge}
    assert not settled(tmp_path, **run)
    sample(tmp_path, **run)
    (found,) = judged(tmp_path, **run)
    log = Verdicts(tmp_path / "verdicts", judge.panels(PROBLEMS.values()))
    log.add(found, PROBLEMS["p"], [Verdict("error", reason=reason, key=found.key)])
    log.close()
    assert settled(tmp_path, **run) is final


def test_a_budget_that_the_judge_used_up_stops_the_run_and_a_larger_one_goes_on(
    tmp_path: Path, ask: Callable[..., Asker]
) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        mark = re.findall(r"VERDICT (\w+): RIGHT", body["messages"][-1]["content"])[-1]
        return {"text": f"Yes.\nVERDICT {mark}: RIGHT", "prompt_tokens": 100, "completion_tokens": 10}

    problems = {"p": Problem("p", "Prove it.", answer="Proof. Clear.")}
    asker = ask(*"abcdefgh")
    with FakeServer(reply) as server:
        model = {"engine": "openai", "model": "fake", "options": {"base_url": server.base_url, "concurrency": 1}}
        verifiers = {"math": {}, "judge": {"only": "unverifiable", **model}}
        with Judge(verifiers, workers=1, asked=tmp_path / "run" / "asked") as judge:
            meter = Meter(Budget(tokens=8 * 15 + 450), {})
            with pytest.raises(BudgetReached, match=r"budget\.tokens is 570"):
                sample(tmp_path / "run", problems=problems, askers=[asker], judge=judge, meter=meter)
            assert len(list(read(tmp_path / "run" / "traces"))) == 8
            asked = len(server.requests())
            assert 4 <= asked < 16
            sample(tmp_path / "run", problems=problems, askers=[asker], judge=judge, meter=Meter(Budget(), {}))
            found = list(judged(tmp_path / "run", problems=problems, askers=[asker], judge=judge))
    assert {trace.verdict.outcome for trace in found if trace.verdict} == {"right"}
    assert len(server.requests()) == 16
