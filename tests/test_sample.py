"""Sampling: what is answered is not asked again, verdicts follow, canaries and budgets hold."""

import json
from dataclasses import replace
from itertools import count

import pytest

from tracegen import judging, prompts
from tracegen.cost import Meter
from tracegen.generate import Asker
from tracegen.judging import Judging
from tracegen.ledger import read
from tracegen.models import Model
from tracegen.recipe import Budget, Prices, Sampling, Schedule
from tracegen.records import BudgetReached, Problem, TracegenError
from tracegen.sample import DURABLE_AT_ONCE, FIXED, judged, missing, sample
from tracegen.verify import Judge

ENGINE = '''
import json
import time
from tracegen.records import Completion

SAID = "<think>\\nsum\\n</think>\\n\\n{answer}"

def scripted(requests, *, model, log, text=SAID, finish="stop", fail=(), eager=1, pause=0.0):
    """Answers after a `pause`; `log` collects the keys that were asked."""
    waiting = []
    for request in requests:
        if request is not None:
            waiting.append(request)
            with open(log, "a") as file:
                file.write(json.dumps([request.problem_id, request.sample]) + "\\n")
        while waiting and (len(waiting) >= eager or request is None):
            time.sleep(pause)
            yield answer(waiting.pop(0), text, finish, fail)
    while waiting:
        yield answer(waiting.pop(0), text, finish, fail)

def answer(request, text, finish, fail):
    if [request.problem_id, request.sample] in [list(pair) for pair in fail]:
        return request, Completion(error="the server was busy")
    said = text.format(answer=request.problem_id)
    return request, Completion(said, None, finish, 10, 5)
'''


@pytest.fixture(scope="module")
def judge():
    with Judge({"exact": {}}, workers=1) as judge:
        yield judge


@pytest.fixture
def problems():
    return {name: Problem(name, f"Say {name}.", name) for name in "abcd"}


@pytest.fixture
def ask(tmp_path):
    """An asker whose engine is a file of the user's own, and the list of what it was asked."""
    (tmp_path / "mine.py").write_text(ENGINE)
    (tmp_path / "prompt.yaml").write_text("user: '{{ problem.statement }}'")
    log = tmp_path / "log"
    log.touch()

    def make(n=2, max_tokens=9, reasoning="prompted", name="t", **options):
        return Asker(
            name=name,
            model=Model("m", "m", "r1"),
            engine=f"{tmp_path / 'mine.py'}:scripted",
            options={"log": str(log), **options},
            prompt=prompts.load(str(tmp_path / "prompt.yaml")),
            reasoning=reasoning,
            sampling=Sampling(n=n, max_tokens=max_tokens),
            seed=1,
        )

    def asked():
        found = [tuple(json.loads(line)) for line in log.read_text().splitlines()]
        log.write_text("")
        return found

    make.asked = asked
    return make


def run(tmp_path, problems, judge, *askers, meter=None):
    sample(tmp_path / "run", problems=problems, askers=askers, judge=judge, meter=meter)
    return list(judged(tmp_path / "run", problems=problems, askers=askers, judge=judge))


def test_every_problem_gets_its_samples_and_each_its_verdict(tmp_path, problems, judge, ask):
    traces = run(tmp_path, problems, judge, ask())
    assert sorted((trace.problem_id, trace.sample) for trace in traces) == [(p, n) for p in "abcd" for n in (0, 1)]
    assert {trace.verdict.outcome for trace in traces} == {"right"}
    assert {trace.status for trace in traces} == {"complete"}


def test_a_second_run_asks_nothing_and_more_samples_ask_only_the_new_ones(tmp_path, problems, judge, ask):
    run(tmp_path, problems, judge, ask())
    assert len(ask.asked()) == 8
    run(tmp_path, problems, judge, ask())
    assert ask.asked() == []
    assert len(run(tmp_path, problems, judge, ask(n=3))) == 12
    assert sorted(ask.asked()) == [(name, 2) for name in "abcd"]


def test_a_larger_budget_keeps_finished_answers_and_asks_the_truncated_ones(tmp_path, problems, judge, ask):
    run(tmp_path, problems, judge, ask(finish="length"))
    ask.asked()
    run(tmp_path, problems, judge, ask(finish="length", max_tokens=8))
    assert ask.asked() == []
    run(tmp_path, problems, judge, ask(max_tokens=99))
    assert len(ask.asked()) == 8
    run(tmp_path, problems, judge, ask(max_tokens=1000))
    assert ask.asked() == []


def test_failures_are_kept_with_their_reason_and_asked_again(tmp_path, problems, judge, ask):
    traces = run(tmp_path, problems, judge, ask(fail=[("b", 1)]))
    assert len(traces) == 7
    assert [row["error"] for row in read(tmp_path / "run" / "traces") if row["error"]] == ["the server was busy"]
    assert missing(tmp_path / "run", problems=problems, askers=[ask()]) == 1
    ask.asked()
    assert len(run(tmp_path, problems, judge, ask())) == 8
    assert ask.asked() == [("b", 1)]


def test_a_run_in_which_everything_fails_says_why(tmp_path, judge, ask):
    one = {"a": Problem("a", "Say a.", "a")}
    with pytest.raises(TracegenError, match=r"2 of 2 requests failed.*the server was busy"):
        run(tmp_path, one, judge, ask(fail=[("a", 0), ("a", 1)]))


def test_a_corrected_gold_has_its_own_traces_judged_again(tmp_path, problems, judge, ask):
    run(tmp_path, problems, judge, ask())
    ask.asked()
    corrected = problems | {"a": replace(problems["a"], answer="z")}
    outcomes = {trace.problem_id: trace.verdict.outcome for trace in run(tmp_path, corrected, judge, ask())}
    assert outcomes == {"a": "wrong", "b": "right", "c": "right", "d": "right"}
    lines = (tmp_path / "run" / "verdicts" / "verdicts.jsonl").read_text().splitlines()
    assert len(lines) == 8 + 2
    assert ask.asked() == []


def test_other_verifiers_judge_everything_again_without_sampling(tmp_path, problems, judge, ask):
    run(tmp_path, problems, judge, ask())
    ask.asked()
    with Judge({"exact": {"ignore_case": False}}, workers=1) as strict:
        traces = run(tmp_path, {name: replace(p, answer=name.upper()) for name, p in problems.items()}, strict, ask())
    assert {trace.verdict.outcome for trace in traces} == {"wrong"}
    assert ask.asked() == []


def test_problems_may_change_their_ids_and_keep_what_they_have(tmp_path, problems, judge, ask):
    run(tmp_path, problems, judge, ask())
    ask.asked()
    renamed = {f"new-{name}": replace(problem, id=f"new-{name}") for name, problem in problems.items()}
    traces = run(tmp_path, renamed, judge, ask())
    assert {trace.problem_id for trace in traces} == set(renamed)
    assert all(trace.verdict.outcome == "right" for trace in traces)
    assert ask.asked() == []


def test_two_roles_that_ask_the_very_same_are_asked_once(tmp_path, problems, judge, ask):
    traces = run(tmp_path, problems, judge, ask(name="teacher"), ask(name="before"))
    assert len(ask.asked()) == 8
    assert sorted({trace.teacher for trace in traces}) == ["before", "teacher"]
    assert len(traces) == 16


def test_a_native_teacher_without_thinking_is_refused_after_one_request(tmp_path, problems, judge, ask):
    with pytest.raises(TracegenError, match=r"no thinking came back.*began with 'a'"):
        run(tmp_path, problems, judge, ask(reasoning="native", text="{answer}", eager=4))
    assert len(ask.asked()) == 1


def test_the_canary_of_a_thinking_teacher_is_a_sample_like_any_other(tmp_path, problems, judge, ask):
    traces = run(tmp_path, problems, judge, ask(reasoning="native", eager=4, fail=[("a", 0)]))
    assert len(traces) == 7
    assert len(ask.asked()) == 8


def test_a_budget_stops_drawing_and_counts_over_launches(tmp_path, problems, judge, ask):
    meter = Meter(Budget(tokens=45), {})
    with pytest.raises(BudgetReached, match=r"budget\.tokens is 45"):
        run(tmp_path, problems, judge, ask(), meter=meter)
    first = len(ask.asked())
    assert 2 <= first <= 3  # what is in flight counts as it is expected to end
    meter = Meter(Budget(usd=1.0), {"t": Prices(input=10_000, output=10_000)})
    meter.add_earlier(read(tmp_path / "run" / "traces"))
    assert meter.usd == pytest.approx(first * 15 * 0.01)
    with pytest.raises(BudgetReached, match=r"budget\.usd is 1"):
        run(tmp_path, problems, judge, ask(), meter=meter)
    assert len(ask.asked()) < 8 - first
    run(tmp_path, problems, judge, ask())
    assert len(list(read(tmp_path / "run" / "traces"))) == 8


@pytest.mark.parametrize("schedule", [FIXED, Schedule(stop_after=2)], ids=["fixed", "steered"])
def test_a_judge_that_is_slower_than_the_teacher_does_not_fill_the_memory(
    tmp_path, problems, ask, judge, schedule, monkeypatch
):
    waiting, calls = [], count()
    submit, collect = Judging._submit, Judging.collect

    def counted(self, trace, siblings):
        submit(self, trace, siblings)
        waiting.append(len(self._pending))

    monkeypatch.setattr(Judging, "_submit", counted)
    monkeypatch.setattr(judging, "BACKLOG", 3)
    monkeypatch.setattr(judging, "WINDOW", 3)
    monkeypatch.setattr(Judging, "collect", lambda self: collect(self) if next(calls) % 20 == 0 else None)
    many = {f"p{number}": Problem(f"p{number}", f"Say {number}.", f"p{number}") for number in range(16)}
    asker = ask(n=2, pause=0.03)
    sample(tmp_path / "run", problems=many, askers=[asker], judge=judge, schedule=schedule)
    assert max(waiting) <= 3 + DURABLE_AT_ONCE
    traces = list(judged(tmp_path / "run", problems=many, askers=[asker], judge=judge))
    assert len(traces) == 32
    assert {trace.verdict and trace.verdict.outcome for trace in traces} == {"right"}
    assert len(ask.asked()) == 32
