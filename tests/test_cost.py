"""Bills, prices and budgets: what is known is added up, what is not is said, and a cap holds what is in flight."""

import heapq
import json
import random
import threading

import pytest

from tracegen import cost, prices, problems
from tracegen import recipe as recipes
from tracegen.bill import Bill, per_verified
from tracegen.cost import Meter
from tracegen.ledger import Ledger
from tracegen.prepare import prepare
from tracegen.recipe import Budget, Prices, Recipe, Teacher
from tracegen.records import BudgetReached, Request, UsageError


def row(key="k", teacher="t", prompt=100, completion=1000, seconds=1.0, started=1000.0, error=None, **more):
    return {
        "key": key,
        "teacher": teacher,
        "model": "m",
        "engine": "openai",
        "prompt_tokens": None if error else prompt,
        "completion_tokens": None if error else completion,
        "seconds": seconds,
        "started": started,
        "error": error,
    } | more


def request(key="k", teacher="t", max_tokens=1000, content="", **more):
    return Request(key, "p", teacher, 0, ({"role": "user", "content": content},), {"max_tokens": max_tokens}, **more)


def bill(*rows, **given):
    found = Bill({name: Prices(**price) for name, price in given.items()})
    for one in rows:
        found.add(one)
    return found


def test_what_has_no_price_costs_an_unknown_sum_and_no_zero():
    found = bill(row(), row(teacher="free"), row(teacher="paid"), paid={"input": 10, "output": 2}, free={}).teachers
    assert (found["t"].usd, found["free"].usd) == (None, 0.0)
    assert found["paid"].usd == pytest.approx(100 * 10e-6 + 1000 * 2e-6)
    assert per_verified(found["t"], 2) == (550, 0.5, None)
    assert per_verified(found["paid"], 0) is None
    assert per_verified(found["paid"], 4).usd == pytest.approx(0.003 / 4)


def test_a_batch_costs_half_and_a_recipe_may_say_otherwise():
    price = {"input": 10.0, "output": 20.0}
    batched = row(engine="batch_api")
    whole = bill(row(), t=price).teachers["t"].usd
    assert bill(batched, t=price).teachers["t"].usd == pytest.approx(whole / 2)
    assert bill(batched, t=price | {"batch_discount": 0.25}).teachers["t"].usd == pytest.approx(0.75 * whole)


def test_failures_are_counted_and_rows_of_other_programs_need_no_times():
    spent = bill(row(error="the server was busy"), row(), t={"output": 1}).teachers["t"]
    assert (spent.requests, spent.failed, spent.tokens) == (2, 1, 1100)
    imported = row()
    del imported["started"], imported["seconds"], imported["engine"]
    assert bill(imported).teachers["t"].seconds == 0


def test_time_is_that_of_the_engines_whatever_the_wall_clock_says():
    first = [row(seconds=s, started=1000) for s in (1, 5, 3, 20)]
    after = [row(teacher="u", model="other", seconds=s, started=1020) for s in (5, 15)]
    later = [row(seconds=s, started=-9000) for s in (2, 4)]  # the clock was set back
    found = bill(*first, *after, *later)
    assert found.seconds == pytest.approx(20 + 15 + 4)
    assert (found.teachers["t"].seconds, found.teachers["u"].seconds) == (pytest.approx(24), pytest.approx(15))
    shuffled = [*first, *after, *later]
    random.Random(3).shuffle(shuffled)
    assert bill(*shuffled).seconds == pytest.approx(39)
    old = [{name: value for name, value in one.items() if name != "started"} for one in (*first, *later)]
    assert bill(*(one for one in old if one["seconds"] != 3)).seconds == pytest.approx(24)


def test_machines_of_ones_own_are_paid_by_the_hour_and_teachers_share_an_engine():
    hour = {"gpu_hour": 2.5, "gpus": 8}
    rows = [row(seconds=1800), row(teacher="u", seconds=3600)]
    found = bill(*rows, t=hour, u=hour).teachers
    assert found["t"].usd == pytest.approx(10)
    assert found["u"].usd == pytest.approx(10)


def test_the_meter_starts_where_earlier_launches_ended():
    meter = Meter(Budget(usd=1), {"t": Prices(output=100)})
    meter.add_earlier([row(seconds=50, started=1000), row("k2", seconds=60, started=2000)])
    assert meter.tokens == 2200
    assert meter.usd == pytest.approx(0.2)
    assert 110 <= meter.seconds < 115
    # Verifiers ask beside the teachers: what they took is paid for, and no time of its own.
    meter.add(row(teacher="verifier:judge", seconds=400))
    assert meter.seconds < 115


def test_the_cap_on_seconds_counts_earlier_launches_and_this_one(monkeypatch):
    now = 10.0
    monkeypatch.setattr(cost.time, "monotonic", lambda: now)
    meter = Meter(Budget(seconds=100), {}, again="tracegen run runs/r1")
    meter.add_earlier([row(seconds=60)])
    now = 49.0
    assert meter.allows(request())
    assert meter.reached() is None
    now = 50.0
    assert not meter.allows(request("k2"))
    assert meter.reached() == "budget.seconds is 100 and 100 are used"
    with pytest.raises(BudgetReached, match=r"Go on with: tracegen run runs/r1 budget\.seconds=200$") as stopped:
        meter.check()
    assert stopped.value.exit_status == 3


def test_a_cap_holds_what_is_in_flight():
    meter = Meter(Budget(tokens=3500), {})
    assert [meter.allows(request(f"k{n}")) for n in range(5)] == [True, True, True, False, False]
    assert (meter.in_flight, meter.reached()) == (3, None)
    meter.add(row("k0", prompt=0, completion=100))
    # 100 used, 2000 in flight at most; the next: eight guesses of 1000 tokens beside one answer of 100.
    assert meter.allows(request("k3"))
    assert not meter.allows(request("k4"))
    for key in ("k1", "k2", "k3"):
        meter.add(row(key, prompt=0, completion=1000))
    assert not meter.allows(request("k4"))
    assert "budget.tokens is 3500 and 3100 are used, and the next answer may take" in meter.reached()
    assert meter.in_flight == 0


def test_what_was_refused_is_forgotten_where_there_is_room_again():
    meter = Meter(Budget(tokens=1500), {})
    assert meter.allows(request("a"))
    assert not meter.allows(request("b"))
    meter.add(row("a", error="the server was busy"))
    assert meter.allows(request("b"))
    meter.add(row("b", error="the server was busy"))
    assert meter.reached() is None


def test_an_answer_that_goes_on_is_expected_to_cost_what_is_new():
    meter = Meter(Budget(tokens=1600), {})
    assert not meter.allows(request("a", max_tokens=2000))
    assert (
        meter.allows(request("b", max_tokens=2000, prefix="…", prefix_tokens=1500)) is False
    )  # 1500 read, 500 written
    assert Meter(Budget(tokens=2000), {}).allows(request("b", max_tokens=2000, prefix="…", prefix_tokens=1500))


def test_dollars_are_held_back_by_the_price_of_who_is_asked():
    meter = Meter(Budget(usd=1.0), {"t": Prices(output=400), "free": Prices()})
    assert [meter.allows(request(f"k{n}")) for n in range(3)] == [True, True, False]
    assert all(meter.allows(request(f"f{n}", "free")) for n in range(100))
    assert meter.allows(request("n", "nobody knows"))


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock, set by hand."""
    hands = [0.0]
    monkeypatch.setattr(cost.time, "monotonic", lambda: hands[0])
    return hands


def flow(clock, meter, slots, lengths):
    """Requests through a meter and an engine in which an answer takes as long as it is long; how many, and waits."""
    asked, in_flight, waits = 0, [], 0
    stream, more = meter.within(request(f"k{n}", max_tokens=4000) for n in range(len(lengths))), True
    while more or in_flight:
        while more and len(in_flight) < slots:
            drawn = next(stream, "end")
            if drawn == "end":
                more = False
            elif drawn is None:
                waits += 1
                break
            else:
                asked += 1
                heapq.heappush(in_flight, (clock[0] + lengths[int(drawn.key[1:])], drawn.key))
        assert in_flight or not more, "the stream says to wait, and nothing is in flight"
        if in_flight:
            clock[0], key = heapq.heappop(in_flight)
            meter.add(row(key, prompt=0, completion=lengths[int(key[1:])]))
    return asked, waits


@pytest.mark.parametrize("seed", range(8))
def test_with_many_in_flight_a_cap_is_neither_passed_nor_left_unused(clock, seed):
    draw = random.Random(seed)
    lengths = [min(4000, int(draw.lognormvariate(6.2, 1.0))) for _ in range(5000)]
    cap = 600_000
    meter = Meter(Budget(tokens=cap), {})
    asked, waits = flow(clock, meter, 256, lengths)
    assert asked < len(lengths)
    assert waits > 0
    assert 0.97 * cap < meter.tokens < 1.03 * cap
    assert meter.reached()


def test_a_budget_that_is_enough_stops_nothing(clock):
    meter = Meter(Budget(tokens=10_000_000), {})
    asked, _ = flow(clock, meter, 16, [100] * 300)
    assert (asked, meter.reached(), meter.in_flight) == (300, None, 0)
    meter.check()


def test_a_meter_may_be_used_from_many_threads():
    meter = Meter(Budget(tokens=10**9), {"t": Prices(input=1, output=1)})

    def work(name):
        for n in range(500):
            assert meter.allows(request(f"{name}-{n}"))
            meter.add(row(f"{name}-{n}", prompt=1, completion=1))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.tokens, meter.in_flight) == (8000, 0)


def teacher(model, engine="openai", given=None, **options):
    return Teacher(model=model, engine=engine, options=options, prices=given)


def test_the_recipe_goes_before_the_table_and_the_table_says_its_day_and_source():
    openai = {"base_url": "https://api.openai.com/v1"}
    found = prices.of(teacher("gpt-6-sol", **openai))
    assert (found.prices.input, found.prices.output) == (2.0, 10.0)
    assert "the table, as of 2026-" in found.source
    assert "https://" in found.source
    assert prices.of(teacher("gpt-6-sol-2026-09-22", **openai)) == found
    assert prices.of(teacher("gpt-6-sol", given={"output": 1}, **openai)) == (Prices(output=1), "the recipe")
    for unknown in (teacher("gpt-6-sol"), teacher("gpt-6-sol-mini", **openai), teacher("gpt-6", **openai)):
        assert prices.of(unknown) is None
    assert prices.of(teacher("gpt-6-sol", base_url="https://elsewhere.example/v1")) is None


def test_the_table_is_dated_and_unambiguous():
    names = [(entry.host, entry.model) for entry in prices.table()]
    assert len(names) == len(set(names)) >= 12
    for entry in prices.table():
        assert entry.source.startswith("https://")
        assert 0 < entry.input < entry.output
        assert entry.read.year >= 2026


def test_a_cap_in_dollars_without_a_price_is_refused_where_somebody_sends_a_bill():
    paid = {"teachers.gpt": teacher("gpt-9", base_url="https://api.openai.com/v1")}
    with pytest.raises(UsageError, match=r"none is for teachers\.gpt \(model 'gpt-9'\); write teachers\.gpt\.prices="):
        prices.refuse_blind_cap(paid, Budget(usd=5))
    prices.refuse_blind_cap(paid, Budget(tokens=5))
    own = {"teachers.own": teacher("x", engine="vllm"), "teachers.priced": teacher("x", given={"output": 0})}
    prices.refuse_blind_cap(own, Budget(usd=5))


def test_every_model_that_a_recipe_asks_needs_a_price_under_a_cap_in_dollars(tmp_path):
    openai = {"engine": "openai", "model": "odd", "options": {"base_url": "https://api.openai.com/v1"}}
    priced = openai | {"prices": {"input": 1, "output": 1}}
    tree = {
        "name": "x",
        "problems": {"source": "synthesize", "seeds": "quickstart", **priced},
        "prompt": "math",
        "teachers": {"t": priced},
        "verifiers": {"judge": priced},
        "budget": {"usd": 5},
    }

    def check(**changed):
        (tmp_path / "r.yaml").write_text(json.dumps(tree | changed))
        prepare(recipes.load(tmp_path / "r.yaml"), tmp_path / "run")

    for place, changed in {
        "teachers.t": {"teachers": {"t": openai}},
        "verifiers.judge": {"verifiers": {"judge": openai}},
        "problems": {"problems": {"source": "synthesize", "seeds": "quickstart", **openai}},
    }.items():
        with pytest.raises(UsageError, match=rf"none is for {place} \(model 'odd'\); write {place}\.prices="):
            check(**changed)


def test_what_all_launches_have_used_holds_teachers_in_both_roles_verifiers_and_the_source(tmp_path):
    openai = {"engine": "openai", "options": {"base_url": "https://api.openai.com/v1"}}
    asked = openai | {"model": "gpt-6.1-terra"}  # its price is in the table
    found = Recipe.model_validate(
        {
            "name": "r",
            "prompt": "math",
            "problems": {"source": "synthesize", "prices": {"input": 1000.0}} | asked,
            "teachers": {"t": openai | {"model": "m", "prices": {"input": 100.0}}},
            "verifiers": {"judge": asked},
            "budget": {"usd": 2000.0},
        }
    )
    teachers = {"traces": "t", "eval/traces": "teacher:t", "asked/judge": "verifier:judge"}
    for start, (folder, teacher) in enumerate((teachers | {"asked/source": "source:synthesize"}).items()):
        with Ledger(tmp_path / folder) as ledger:
            million = row("0" * 32, teacher, prompt=1_000_000, completion=0, seconds=60.0, started=start)
            list(ledger.commit([million | {"max_tokens": 9, "text": "", "finish_reason": "stop"}]))
    meter = problems.meter(found, tmp_path, again="go on")
    assert {name: spent.usd for name, spent in meter.teachers.items()} == {
        "t": 100.0,
        "teacher:t": 100.0,
        "verifier:judge": 1.0,
        "source:synthesize": 1000.0,
    }
    assert meter.seconds == pytest.approx(180, abs=5)  # verifiers ask beside the others
