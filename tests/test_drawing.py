"""What an engine is given: verdicts steer, teachers share or follow each other, what was cut off is gone on with."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from tracegen import drawing, prompts
from tracegen.generate import Asker, shares
from tracegen.ledger import Ledger, read
from tracegen.models import Model
from tracegen.recipe import Sampling, Schedule
from tracegen.records import Problem
from tracegen.sample import FIXED, judged, missing, sample, settled
from tracegen.verify import Judge

ENGINE = '''
import json
import time
from tracegen.records import Completion

def scripted(requests, *, model, log, rights, flight=4, cut=(), stubborn=False, wasted=0, pause=0.0):
    """Right from sample `rights[problem]` on; of problems in `cut` the thinking takes 12 words, then comes the answer.

    `flight` requests are in flight. `stubborn` cannot go on from a prefix. `wasted` tokens went
    into tries that were thrown away. What was asked goes to `log`.
    """
    waiting = []
    for request in requests:
        if request is not None:
            waiting.append(request)
            with open(log, "a") as file:
                row = {"problem": request.problem_id, "sample": request.sample, "teacher": request.teacher,
                       "prefix": request.prefix, "forced": request.forced, "max_tokens": request.sampling["max_tokens"]}
                file.write(json.dumps(row) + "\\n")
        while waiting and (len(waiting) >= flight or request is None):
            time.sleep(pause)
            yield answer(waiting.pop(0), rights, cut, stubborn, wasted)
    while waiting:
        yield answer(waiting.pop(0), rights, cut, stubborn, wasted)

def answer(request, rights, cut, stubborn, wasted):
    said = "yes" if request.sample >= rights.get(request.problem_id, 0) else "no"
    start = "" if stubborn else request.prefix
    spent = 0 if stubborn else request.prefix_tokens
    if request.problem_id in cut and not request.forced:
        words = ["<think>", *"abcdefghij", "</think>", said]
        last = request.sampling["max_tokens"]
        text = start + "".join(f"{word} " for word in words[spent:last])
        done = last >= len(words)
    else:
        text, done = start + (f"<think> hm </think> {said}" if not start else said), True
    new = min(13, request.sampling["max_tokens"]) - spent if request.problem_id in cut else 4
    return request, Completion(text, None, "stop" if done else "length", 10, new + wasted, prefix_tokens=spent)
'''


@pytest.fixture(scope="module")
def judge():
    with Judge({"exact": {}}, workers=1) as judge:
        yield judge


@pytest.fixture
def problems():
    return {name: Problem(name, f"Is {name} right?", "yes") for name in "abcdefgh"}


@pytest.fixture
def run(tmp_path, problems, judge):
    (tmp_path / "mine.py").write_text(ENGINE)
    (tmp_path / "prompt.yaml").write_text("user: '{{ problem.statement }}'")
    log = tmp_path / "log"

    def run(*askers, schedule=FIXED):
        """One launch: what the engine was asked."""
        log.write_text("")
        sample(tmp_path / "run", problems=problems, askers=askers, judge=judge, schedule=schedule)
        return [json.loads(line) for line in log.read_text().splitlines()]

    def ask(name="t", n=4, max_tokens=99, rights=None, engine="scripted", **more):
        fields = {f: more.pop(f) for f in ("up_to", "share", "after", "force_answer", "reasoning") if f in more}
        options = {"log": str(log), "rights": rights or {}, **more}
        prompt = prompts.load(str(tmp_path / "prompt.yaml"))
        sampling = Sampling(n=n, max_tokens=max_tokens)
        of = (Model(name, name, "r1"), f"{tmp_path / 'mine.py'}:scripted", options, prompt)
        return Asker(name, *of, fields.pop("reasoning", "prompted"), sampling, 1, **fields)

    run.ask, run.folder = ask, tmp_path / "run"
    return run


def right(run, problems, judge, *askers):
    found = judged(run.folder, problems=problems, askers=askers, judge=judge)
    return Counter(trace.problem_id for trace in found if trace.verdict.outcome == "right")


def test_a_solved_problem_gets_no_more_and_an_unsolved_one_up_to_the_cap(run, problems, judge):
    teacher = run.ask(n=4, up_to=7, rights={"b": 5, "c": 99}, flight=1)
    schedule = Schedule(stop_after=1, up_to=7)
    asked = Counter(row["problem"] for row in run(teacher, schedule=schedule))
    assert (asked["b"] in (6, 7), asked["c"]) == (True, 7)
    assert all(1 <= asked[problem] <= 2 for problem in "adefgh")  # a second one may leave before the first is judged
    assert right(run, problems, judge, teacher)["b"] == asked["b"] - 5
    assert run(teacher, schedule=schedule) == []
    of = {"problems": problems, "askers": [teacher], "judge": judge, "schedule": schedule}
    assert missing(run.folder, **of) == 0
    assert settled(run.folder, **of)


def test_a_stopped_schedule_goes_on_with_what_its_verdicts_say(run, problems):
    hard = dict.fromkeys("abcd", 99)
    asked = run(run.ask(n=2, rights=hard))
    assert len(asked) == 16
    more = run(run.ask(n=2, up_to=5, rights=hard), schedule=Schedule(stop_after=2, up_to=5))
    assert Counter(row["problem"] for row in more) == dict.fromkeys("abcd", 3)
    assert {row["sample"] for row in more} == {2, 3, 4}


def test_many_in_flight_draw_little_that_is_not_needed(run, problems):
    asked = run(run.ask(n=16, flight=64), schedule=Schedule(stop_after=2))
    assert 16 <= len(asked) <= 8 * 6


def test_the_strong_teacher_is_asked_only_what_the_cheap_one_leaves_unsolved(run, problems, judge):
    cheap = run.ask("cheap", n=2, rights={"c": 99, "e": 99})
    strong = run.ask("strong", n=3, after="cheap")
    asked = run(strong, cheap)
    assert Counter(row["problem"] for row in asked if row["teacher"] == "cheap") == dict.fromkeys(problems, 2)
    assert Counter(row["problem"] for row in asked if row["teacher"] == "strong").keys() == {"c", "e"}
    assert run(strong, cheap) == []
    traces = judged(run.folder, problems=problems, askers=[cheap, strong], judge=judge)
    assert {trace.teacher for trace in traces if trace.problem_id == "c"} == {"cheap", "strong"}


def test_shares_deal_each_problem_to_one_teacher(run, problems):
    dealt = shares({"x": 3.0, "y": 1.0, "z": None})
    assert dealt == {"x": (0.0, 0.75), "y": (0.75, 1.0), "z": (0.0, 1.0)}
    both = [run.ask(name, n=1, share=dealt[name]) for name in ("x", "y")]
    asked = run(*both)
    assert sorted(row["problem"] for row in asked) == sorted(problems)
    ids = [f"p{number}" for number in range(4000)]
    assert sum(map(both[0].asks, ids)) == pytest.approx(3000, abs=120)


def test_a_larger_budget_goes_on_where_an_answer_was_cut_off_and_pays_its_tokens_once(run, problems, judge):
    run(run.ask(n=1, max_tokens=5, cut="ab"))
    asked = run(run.ask(n=1, max_tokens=40, cut="ab"))
    assert [row["prefix"] for row in asked] == ["<think> a b c d "] * 2
    rows = [row for row in read(run.folder / "traces") if row["problem_id"] == "a"]
    assert [(row["prefix_tokens"], row["completion_tokens"]) for row in rows] == [(0, 5), (5, 8)]
    found = judged(run.folder, problems=problems, askers=[run.ask(n=1)], judge=judge)
    (whole,) = (trace for trace in found if trace.problem_id == "a")
    assert (whole.reasoning, whole.response, whole.tokens) == ("a b c d e f g h i j", "yes", 13)
    assert whole.verdict.outcome == "right"
    assert run(run.ask(n=1, max_tokens=80, cut="ab")) == []


def test_what_thrown_away_tries_cost_takes_nothing_from_the_budget_of_the_answer(run):
    run(run.ask(n=1, max_tokens=5, cut="a", wasted=30))
    run(run.ask(n=1, max_tokens=40, cut="a"))
    rows = [row for row in read(run.folder / "traces") if row["problem_id"] == "a"]
    assert [(row["prefix_tokens"], row["completion_tokens"]) for row in rows] == [(0, 35), (5, 8)]
    assert rows[-1]["finish_reason"] == "stop"


def test_an_engine_that_cannot_go_on_begins_anew(run, problems, judge):
    run(run.ask(n=1, max_tokens=5, cut="a"))
    assert len(run(run.ask(n=1, max_tokens=40, cut="a", stubborn=True))) == 1
    rows = [row for row in read(run.folder / "traces") if row["problem_id"] == "a"]
    assert [(row["prefix_tokens"], row["completion_tokens"]) for row in rows] == [(0, 5), (0, 13)]


def test_thinking_that_was_cut_off_gets_its_answer_by_force(run, problems, judge):
    teacher = run.ask(n=1, max_tokens=5, cut="ab", force_answer=7)
    asked = run(teacher)
    forced = [row for row in asked if row["forced"]]
    assert [(row["problem"], row["max_tokens"]) for row in forced] == [("a", 12), ("b", 12)]
    assert forced[0]["prefix"].startswith("<think> a b c d\n")
    assert forced[0]["prefix"].endswith("</think>\n\n")
    traces = {t.problem_id: t for t in judged(run.folder, problems=problems, askers=[teacher], judge=judge)}
    assert traces["a"].forced
    assert not traces["c"].forced
    assert traces["a"].verdict.outcome == "right"
    assert traces["a"].tokens == 12
    assert run(teacher) == []
    # A larger budget goes on from what was thought, not from the answer that was forced.
    more = run(run.ask(n=1, max_tokens=40, cut="ab", force_answer=7))
    assert [row["prefix"] for row in more] == ["<think> a b c d "] * 2
    traces = {t.problem_id: t for t in judged(run.folder, problems=problems, askers=[teacher], judge=judge)}
    assert not traces["a"].forced


def test_force_is_applied_to_what_an_earlier_launch_left_cut_off(run, problems):
    run(run.ask(n=1, max_tokens=5, cut="ab"))
    asked = run(run.ask(n=1, max_tokens=5, cut="ab", force_answer=7))
    assert [(row["problem"], row["forced"]) for row in asked] == [("a", 7), ("b", 7)]
    assert run(run.ask(n=1, max_tokens=5, cut="ab", force_answer=7)) == []


def test_a_schedule_goes_on_with_cut_off_samples_of_unsolved_problems_only(run, problems):
    schedule = Schedule(stop_after=1)
    run(run.ask(n=2, max_tokens=5, cut="ab", flight=1), schedule=schedule)
    asked = run(run.ask(n=2, max_tokens=40, cut="ab", flight=1), schedule=schedule)
    assert {row["problem"] for row in asked} == {"a", "b"}
    assert all(row["prefix"] == "<think> a b c d " for row in asked)


def test_the_longest_of_a_window_come_before_the_others(run, problems):
    asked = run(run.ask(n=3, max_tokens=99, cut="fg", flight=2, pause=0.05))
    assert [row["sample"] for row in asked[:8]] == [0] * 8
    assert {row["problem"] for row in asked[8:14]} == {"f", "g", "h"}  # what is not back yet counts as long


def test_two_problems_that_ask_the_same_are_asked_once_under_a_schedule(run, problems, judge, tmp_path):
    twins = {"a": Problem("a", "Same?", "yes"), "b": Problem("b", "Same?", "yes")}
    teacher = run.ask(n=3, flight=1)
    sample(tmp_path / "run", problems=twins, askers=[teacher], judge=judge, schedule=Schedule(stop_after=1))
    rows = list(read(tmp_path / "run" / "traces"))
    assert len({row["key"] for row in rows}) == len(rows) <= 3
    found = list(judged(tmp_path / "run", problems=twins, askers=[teacher], judge=judge))
    assert {trace.problem_id for trace in found} == {"a", "b"}


@pytest.mark.parametrize("schedule", [FIXED, Schedule(stop_after=2)], ids=["fixed", "steered"])
@pytest.mark.parametrize("flight", [1, 4])
def test_two_problems_that_ask_the_same_are_gone_on_with_once(run, judge, tmp_path, schedule, flight):
    twins = {"a": Problem("a", "Same?", "yes"), "b": Problem("b", "Same?", "yes")}
    for max_tokens in (5, 40):
        teacher = run.ask(n=2, max_tokens=max_tokens, cut="ab", flight=flight)
        sample(tmp_path / "run", problems=twins, askers=[teacher], judge=judge, schedule=schedule)
    asked = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [row["prefix"] for row in asked] == [""] * 2 + ["<think> a b c d "] * 2
    assert {row["key"] for row in read(tmp_path / "run" / "traces") if row["finish_reason"] == "stop"}


def test_an_answer_by_force_is_new_even_where_a_smaller_budget_had_one(run, problems):
    """Otherwise it would be paid for, passed over by the ledger as known, and waited for without end."""
    small = run.ask(n=1, max_tokens=9, cut="a", force_answer=7)
    run(small)
    long = next(row for row in read(run.folder / "traces") if row["finish_reason"] == "length" and not row["forced"])
    with Ledger(run.folder / "traces") as ledger:  # begun anew, and cut off early, by the context
        began_anew = long | {"max_tokens": 20, "completion_tokens": 3, "text": "<think> a b "}
        assert list(ledger.commit([began_anew])) == [began_anew]
    large = run.ask(n=1, max_tokens=20, cut="a", force_answer=7)
    assert [(row["forced"], row["max_tokens"]) for row in run(large)] == [(7, 27)]
    assert run(large) == []


def test_answers_in_flight_are_taken_while_many_samples_are_passed_over(run, problems, judge, monkeypatch, tmp_path):
    """Resuming walks past all that is there; whoever was asked before must not wait for the end of that walk."""
    teacher = run.ask(n=2)
    run(teacher)
    lacking = problems | {"A": Problem("A", "Is A right?", "yes")}
    monkeypatch.setattr(drawing, "LOOK", 0.0)
    with Ledger(run.folder / "traces") as ledger:
        stream = drawing.Drawing([teacher], {"A": lacking["A"], **problems}, ledger, schedule=FIXED).stream(
            lambda request: True, lambda: None
        )
        said = [request and (request.problem_id, request.sample) for request in stream]
    assert said == [("A", 0), *[None] * 8, None, ("A", 1), *[None] * 8]


def test_the_same_launch_never_asks_a_failure_again(run, problems):
    asker = replace(run.ask(n=2), up_to=3)
    assert max(Counter((row["problem"], row["sample"]) for row in run(asker)).values()) == 1


def test_another_asker_of_the_same_model_goes_on_with_what_was_cut_off_in_the_same_launch(run, problems, judge):
    short = run.ask("m", n=1, max_tokens=5, cut="ab")
    longer = replace(short, name="long", sampling=Sampling(n=1, max_tokens=40), after="m")
    asked = run(short, longer)
    assert {(row["problem"], row["prefix"]) for row in asked if row["teacher"] == "long"} == {
        ("a", "<think> a b c d "),
        ("b", "<think> a b c d "),
    }
    beside = replace(longer, after="")
    assert run(short, beside) == []


def test_beside_each_other_nothing_is_left_out(run, problems):
    short = run.ask("m", n=1, max_tokens=5, cut="ab", flight=64)
    longer = replace(short, name="long", sampling=Sampling(n=1, max_tokens=40))
    run(short, longer)
    assert missing(run.folder, problems=problems, askers=[short, longer]) == 0
