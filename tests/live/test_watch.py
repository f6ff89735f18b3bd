"""The figures are those of what a watch was told, to the last token; what is not known is None."""

import random
import threading
import time

import pytest
import told
from told import request, row, trace

from tracegen import telemetry
from tracegen.cost import Meter
from tracegen.live import Watch
from tracegen.live.tally import KINDS, error_kind
from tracegen.live.window import SECONDS, Window
from tracegen.recipe import Budget, Prices
from tracegen.records import Verdict


def test_a_watch_that_was_told_nothing_knows_nothing():
    figures = Watch("generate").figures()
    assert figures["right"] is figures["truncated"] is figures["verified_per_minute"] is None
    assert figures["cost"] == {"usd": None, "usd_per_verified": None, "projected": None, "budget": None}
    assert figures["slots"] == {"in_flight": 0, "slots": None}
    assert figures["verdicts"] == figures["errors"] == figures["teachers"] == {}


def test_counts_of_one_teacher():
    smol = told.watch().figures()["teachers"]["smol"]
    assert smol["engine"] == "openai"
    assert smol["samples"] == {
        "planned": 45,
        "at_most": False,
        "done": 13,
        "there": 5,
        "asked": 10,
        "answered": 8,
        "failed": 2,
        "continued": 0,
        "forced": 0,
    }
    assert (smol["tokens"]["prompt"], smol["tokens"]["completion"]) == (80, 300)
    assert smol["traces"] == {"truncated": 1, "complete": 5}
    assert smol["truncated"] == pytest.approx(1 / 6, abs=1e-4)
    assert smol["verdicts"] == {"right": 3, "wrong": 1, "unverifiable": 1}
    assert smol["right"] == 0.75, "unverifiable is no judgement"
    assert smol["errors"] == {"the server answered 500": 2}


def test_a_teacher_of_whom_nothing_came_back():
    r1 = told.watch().figures()["teachers"]["r1"]
    assert r1["right"] is r1["truncated"] is r1["seconds_left"] is None
    assert r1["slots"] == {"in_flight": 2, "slots": None, "retries": 0, "throttled": 0, "restarts": 0}
    assert r1["cost"] == {"usd": None, "usd_per_verified": None}, "no price is known"


def test_the_whole_is_the_sum():
    figures = told.watch().figures()
    assert figures["samples"]["planned"] == 60
    assert figures["samples"]["asked"] == 12
    assert figures["problems"] == {"total": 20, "solved": 2, "given_up": 1, "open": 17}
    assert figures["slots"]["in_flight"] == 2 + 1 + 2
    assert figures["slots"]["slots"] is None, "r1 does not say how many it has"


def test_servers_of_one_teacher_add_up():
    slots = told.watch().figures()["teachers"]["smol"]["slots"]
    assert slots == {"in_flight": 3, "slots": 8, "waiting": 1, "retries": 4, "throttled": 0, "restarts": 0}


EACH = (10 * 100 + 50 * 1000) / 1e6
"""Dollars of an answer of smol."""


def test_what_an_engine_says_of_all_its_servers_stands_beside_what_each_says():
    watch = told.watch()
    telemetry.gauge("smol", replicas=2, in_flight=99)
    telemetry.gauge("smol@http://one", kv_cache=0.25)
    telemetry.gauge("smol@http://two", kv_cache=0.75)
    telemetry.count("smol@http://two", "restarts")
    slots = watch.figures()["teachers"]["smol"]["slots"]
    assert (slots["replicas"], slots["in_flight"], slots["kv_cache"], slots["restarts"]) == (2, 3, 0.75, 1)


def test_cost_is_of_all_launches_and_per_verified_trace_of_this_one():
    cost = told.watch(budget=5.0).figures()["cost"]
    launch = 6 * EACH + 2 * 10 * 100 / 1e6
    assert cost["usd"] == pytest.approx(0.901 + launch)
    assert cost["usd_per_verified"] == pytest.approx(launch / 3, abs=1e-6)
    assert cost["budget"] == 5.0


def test_what_is_still_to_come_is_projected():
    """Answers of one length leave nothing uncertain: 45 - 13 are to come. Of r1 no price is known."""
    cost = told.watch().figures()["cost"]
    assert cost["projected"] == pytest.approx(dict.fromkeys(("low", "value", "high"), cost["usd"] + 32 * EACH))


def test_a_projection_is_as_wide_as_the_answers_differ():
    widths = []
    for answers in (10, 200):
        meter = Meter(Budget(), {"smol": Prices(output=1000.0)})
        watch = Watch("generate", meter=meter)
        watch.planned("smol", 1000)
        for number in range(answers):
            answer = row(number, tokens=random.Random(number).randint(10, 90))
            meter.add(answer)
            watch.answered(answer, trace(number))
        found = watch.figures()["cost"]["projected"]
        assert found["low"] < 0.05 * 1000 < found["high"]
        assert found["low"] < found["value"] < found["high"]
        widths.append(found["high"] - found["low"])
    assert widths[0] > 3 * widths[1]


def test_a_plan_that_may_end_early_has_a_bound_only():
    watch = told.watch(at_most=True)
    cost = watch.figures()["cost"]
    assert cost["projected"] == {"low": cost["usd"], "value": None, "high": pytest.approx(cost["usd"] + 32 * EACH)}
    watch.solved(18)
    cost = watch.figures()["cost"]
    assert cost["projected"]["high"] == pytest.approx(cost["usd"] + 5 * EACH), (
        "2 of 20 problems are open, 45 samples planned"
    )
    watch.solved(20)
    figures = watch.figures()
    assert figures["cost"]["projected"]["high"] == figures["cost"]["usd"]
    assert figures["teachers"]["smol"]["seconds_left"] == 0


def test_nothing_is_projected_from_too_few_answers():
    meter = Meter(Budget(), {"smol": Prices(output=1000.0)})
    watch = Watch("generate", meter=meter)
    watch.planned("smol", 1000)
    meter.add(row(1))
    watch.answered(row(1), trace(1))
    cost = watch.figures()["cost"]
    assert (cost["usd"], cost["projected"]) == (0.05, None)


def test_machines_cost_as_long_as_they_run():
    meter = Meter(Budget(), {"smol": Prices(gpu_hour=3600.0, gpus=2.0)})
    watch = Watch("generate", meter=meter)
    watch.planned("smol", 20)
    for number in range(10):
        watch.answered(row(number), trace(number))
    meter.add(row(0))  # one second
    cost = watch.figures()["cost"]
    assert cost["usd"] == 2.0
    assert cost["projected"]["value"] == pytest.approx(2.0 + 2.0, rel=0.2), "ten more come in another second"


def test_continued_and_forced_answers_are_counted():
    watch = Watch("generate")
    watch.answered(row(1, prefix_tokens=70), trace(1))
    watch.answered(row(2, prefix_tokens=70, forced=True), trace(2))
    samples = watch.figures()["samples"]
    assert (samples["continued"], samples["forced"]) == (2, 1)


def test_a_changed_plan_replaces_the_old_one():
    watch = Watch("generate")
    watch.planned("smol", 100)
    watch.planned("smol", 60, at_most=True)
    samples = watch.figures()["samples"]
    assert (samples["planned"], samples["at_most"]) == (60, True)


def test_an_answer_that_goes_on_is_of_a_sample_that_is_counted():
    watch = Watch("generate")
    watch.planned("smol", 10)
    watch.there("smol", 3)
    watch.answered(row(1, prefix_tokens=70), trace(1))
    assert watch.figures()["samples"]["done"] == 3
    watch.answered(row(4), trace(4))
    watch.answered(row(4, prefix_tokens=50, forced=True), trace(4))
    assert watch.figures()["samples"]["done"] == 4


def test_time_left_follows_the_pace():
    watch = Watch("generate")
    watch.planned("smol", 100)
    for number in range(50):
        watch.answered(row(number), trace(number))
    assert watch.figures()["seconds_left"] == pytest.approx(1.0, rel=0.2), "50 in the first second, 50 to come"


def test_a_window_forgets_what_is_older_than_a_minute(monkeypatch):
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    window = Window()
    window.add(600, 1000.5)
    assert window.rate(1010.0) == 60.0, "since the start, ten seconds ago"
    window.add(60, 1050.2)
    assert window.rate(1060.0) == 11.0
    assert window.rate(1000.5 + SECONDS + 1) == 1.0
    assert window.rate(1200.0) == 0.0


def test_a_window_does_not_grow():
    window = Window()
    for step in range(100_000):
        window.add(1, 1000 + step / 10)
    assert len(window._seconds) <= SECONDS + 2


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("the server answered 429: slow down, request 77", "the server answered 429"),
        ("no answer in 600 s (tried 5 times)", "no answer in 600 s"),
        ("request 1234567 was refused", "request N was refused"),
        ("key sk-abcdefghijklmnopqrstuv is wrong", "key (withheld) is wrong".partition("(")[0].strip()),
        ("", "unknown"),
    ],
)
def test_kinds_of_errors(sentence, kind):
    assert error_kind(sentence) == kind


def test_kinds_of_errors_do_not_grow_without_end():
    watch = Watch("generate")
    for number in range(200):
        watch.answered(row(number, error=f"{'x' * (number + 1)} is wrong"), None)
    errors = watch.figures()["errors"]
    assert len(errors) == KINDS + 1
    assert sum(errors.values()) == 200
    assert errors["other"] == 200 - KINDS


def test_threads_lose_no_count():
    watch = Watch("generate")

    def tell():
        for number in range(2000):
            watch.asked(request(number))
            watch.answered(row(number), trace(number))
            watch.judged(trace(number), Verdict("right"))
            telemetry.count("smol", "retries")

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        watch.figures()
    figures = watch.figures()
    assert figures["samples"]["asked"] == figures["samples"]["answered"] == figures["verdicts"]["right"] == 8000
    assert figures["slots"]["retries"] == 8000


def test_telling_costs_next_to_nothing():
    """A thousand answers a second may take a tenth of one core, on a machine that does other things as well."""
    watch = Watch("generate")
    asked, answered, seen, verdict = request(1), row(1), trace(1), Verdict("right")
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(2000):
            watch.asked(asked)
            watch.answered(answered, seen)
            watch.judged(seen, verdict)
        best = min(best, time.process_time() - start)
    assert best / 2000 < 100e-6
