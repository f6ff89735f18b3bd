"""The judge: order, deadlines, crashes, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from tracegen.golds import check
from tracegen.records import Problem, Trace, TracegenError, UsageError, Verdict
from tracegen.verifiers import exact, math
from tracegen.verify import Judge, decide, gold_trace, in_order

TIMEOUT = 1.0

VERIFIERS = """
    import os, signal, time
    from tracegen.records import MissingExtra, Verdict

    VERSION = "7"

    def unsure(problem, response):
        return Verdict("unverifiable", response, "shrug")

    def sleeper(problem, response):
        time.sleep(float(response))
        return Verdict("right", response, "slept")

    def crasher(problem, response):
        os._exit(3)

    def raiser(problem, response):
        raise ValueError("bad luck")

    def careless(problem, response):
        return True

    def needy(problem, response):
        raise MissingExtra("gadget", "gadgets")

    def hungry(problem, response):
        return Verdict("right", str(len(bytearray(6 * 2**30))), "fed")

    def whereabouts(problem, response):
        blocked = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return Verdict("right", f"{os.getpid()} {blocked}", "here")

    def status(problem, response, *, trace):
        return Verdict("right", trace.status, trace.reasoning)

    def talkative(problem, response):
        return Verdict("right", "x" * 10**6, "long")
"""
NAMES = [line.split()[1].partition("(")[0] for line in VERIFIERS.splitlines() if line.startswith("    def ")]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    file = tmp_path_factory.mktemp("own") / "own_verifiers.py"
    file.write_text(textwrap.dedent(VERIFIERS))
    return lambda name: f"{file}:{name}"


@pytest.fixture(scope="module")
def judge(own: Callable[[str], str]) -> Iterator[Judge]:
    verifiers = {own("unsure"): {}, "math": {}, "exact": {"ignore_case": False}}
    with Judge(verifiers, workers=2, timeout=TIMEOUT, named=[own(name) for name in NAMES]) as judge:
        judge.submit(Problem("start", "", answer="1"), gold_trace("start", "1")).result()
        yield judge


def submit(judge: Judge, response: str, verifier: str | None = None, answer: str = "42") -> Future[list[Verdict]]:
    return judge.submit(Problem("p", "?", answer=answer, verifier=verifier), gold_trace("k", response))


def one(judge: Judge, response: str, verifier: str, answer: str = "42") -> Verdict:
    (verdict,) = submit(judge, response, verifier, answer).result()
    return verdict


def test_recipe_verifiers_run_in_order_until_one_decides(judge: Judge, own: Callable[[str], str]) -> None:
    verdicts = submit(judge, r"\boxed{42}").result()
    assert [(v.verifier, v.outcome, v.version) for v in verdicts] == [
        (own("unsure"), "unverifiable", "7"),
        ("math", "right", math.VERSION),
    ]
    assert {v.key for v in verdicts} == {"k"}
    assert all(0 < v.seconds < TIMEOUT for v in verdicts)


def test_a_problems_own_verifier_decides_alone_with_the_recipes_options(judge: Judge) -> None:
    assert one(judge, "A", "exact", answer="a").outcome == "wrong"
    assert one(judge, "a", "exact", answer="a").outcome == "right"


def test_a_timeout_hits_only_the_guilty(judge: Judge, own: Callable[[str], str]) -> None:
    began = time.monotonic()
    guilty = submit(judge, "60", own("sleeper"))
    others = [submit(judge, r"\boxed{42}", "math") for _ in range(50)]
    assert {v.outcome for future in others for v in future.result()} == {"right"}
    (verdict,) = guilty.result()
    assert (verdict.outcome, verdict.reason, verdict.key, verdict.verifier) == ("error", "timeout", "k", own("sleeper"))
    assert time.monotonic() - began < 10


def test_waiting_in_the_queue_is_no_timeout(judge: Judge, own: Callable[[str], str]) -> None:
    one(judge, "0", own("sleeper"))
    futures = [submit(judge, "0.5", own("sleeper")) for _ in range(8)]  # the last waits 1.5 s for its worker
    assert [future.result()[0].outcome for future in futures] == ["right"] * 8


@pytest.mark.parametrize("announced", [True, False])
def test_a_slow_start_is_no_timeout(announced: bool, tmp_path: Path) -> None:
    file = tmp_path / "slow_start.py"
    file.write_text(
        "import multiprocessing, time\nfrom tracegen.records import Verdict\n"
        "if multiprocessing.parent_process():\n    time.sleep(1.5)\n"
        "def slow(problem, response):\n    return Verdict('right', None, 'up')\n"
    )
    name = f"{file}:slow"
    with Judge({}, workers=1, timeout=0.5, named=[name] if announced else []) as judge:
        assert one(judge, "", name).reason == "up"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crasher", "crash"),
        ("raiser", "ValueError: bad luck"),
        ("careless", "TypeError: the verifier returned bool, not a Verdict"),
        ("hungry", "memory"),
    ],
)
def test_a_verifier_that_fails_costs_one_error_verdict(
    judge: Judge, own: Callable[[str], str], name: str, reason: str
) -> None:
    verdict = one(judge, "x", own(name))
    assert (verdict.outcome, verdict.reason) == ("error", reason)
    assert one(judge, "42", "math").outcome == "right"


def test_what_cannot_travel_to_a_worker_costs_one_error_verdict(judge: Judge) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for extra in ({"deep": deep}, {"function": lambda: None}, {"lock": threading.Lock()}):
        problem = Problem("p", "?", answer="42", verifier="exact", extra=extra)
        (verdict,) = judge.submit(problem, gold_trace("k", "42")).result(30)
        assert (verdict.outcome, verdict.verifier) == ("error", "exact")
    assert one(judge, "42", "exact").outcome == "right"


def test_verdicts_are_given_outside_of_every_lock(judge: Judge) -> None:
    """While a callback waits for another thread, that thread may use the judge."""
    heard: list[str] = []

    def called_back(_: Future[list[Verdict]]) -> None:
        thread = threading.Thread(target=lambda: judge.submit(Problem("p", "?", answer="1"), gold_trace("k", "1")))
        thread.start()
        thread.join(10)
        heard.append("stuck" if thread.is_alive() else "free")

    first = submit(judge, "42", "exact")
    first.add_done_callback(called_back)
    first.result(30)
    assert one(judge, "42", "exact").outcome == "right"
    assert heard == ["free"]


def test_after_an_error_the_next_verifier_is_heard(own: Callable[[str], str]) -> None:
    with Judge({own("crasher"): {}, "exact": {}}, workers=1) as judge:
        assert [v.reason for v in submit(judge, "42").result()] == ["crash", "equal"]


def test_the_pool_survives_the_death_of_idle_workers(own: Callable[[str], str]) -> None:
    with Judge({}, workers=1, named=[own("whereabouts")]) as judge:
        pid, _ = str(one(judge, "", own("whereabouts")).answer).split()
        os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.5)
        after, _ = str(one(judge, "", own("whereabouts")).answer).split()
        assert after != pid


def test_workers_that_cannot_start_are_reported_not_recorded(tmp_path: Path) -> None:
    file = tmp_path / "stillborn.py"
    file.write_text(
        "import multiprocessing, os\nif multiprocessing.parent_process():\n    os._exit(9)\n"
        "def x(problem, response): ...\n"
    )
    with Judge({f"{file}:x": {}}, workers=1) as judge, pytest.raises(TracegenError, match="do not stay alive"):
        submit(judge, "").result(timeout=60)


def test_ctrl_c_never_reaches_a_worker_old_or_new(judge: Judge, own: Callable[[str], str]) -> None:
    one(judge, "", own("crasher"))  # so that at least one worker is a respawned one
    answers = {one(judge, "", own("whereabouts")).answer for _ in range(20)}
    assert {str(answer).split()[1] for answer in answers} == {"True"}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_worker_without_a_parent_ends_even_inside_one_long_c_call(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("def x(problem, response):\n    return (10**9) ** (10**9)\n")
    code = (
        "from tracegen.records import Problem\nfrom tracegen.verifiers._worker import judge\n"
        "judge('endless.py:x', Problem('p', ''), '', {}, 1)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, timeout=60, check=False)
    assert ended.returncode == -signal.SIGALRM


def test_a_missing_extra_is_the_users_to_mend(judge: Judge, own: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match=r"tracegen\[gadgets\]"):
        submit(judge, "", own("needy")).result()


def test_a_verifier_may_ask_for_the_whole_trace(judge: Judge, own: Callable[[str], str]) -> None:
    trace = Trace("k", "p", "t", 0, (), "hmm", "42", "truncated", "length", 9)
    (verdict,) = judge.submit(Problem("p", "", verifier=own("status")), trace).result()
    assert (verdict.answer, verdict.reason) == ("truncated", "hmm")


def test_answers_are_kept_short(judge: Judge, own: Callable[[str], str]) -> None:
    assert one(judge, "", own("talkative")).answer == "x" * 2_000


def test_many_threads_may_submit(judge: Judge) -> None:
    outcomes: list[str] = []

    def ask() -> None:
        outcomes.extend(submit(judge, "42", "math").result()[0].outcome for _ in range(25))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["right"] * 100


def test_leaving_the_block_waits_and_closing_cancels(own: Callable[[str], str]) -> None:
    with Judge({}, workers=1, named=[own("sleeper")]) as judge:
        waited = submit(judge, "0.3", own("sleeper"))
    assert waited.done()
    assert waited.result()[0].outcome == "right"
    judge = Judge({}, workers=1, named=[own("sleeper")])
    futures = [submit(judge, "5", own("sleeper")) for _ in range(200)]
    judge.close()
    judge.close()
    with pytest.raises(CancelledError):
        futures[-1].result(timeout=1)
    with pytest.raises(TracegenError, match="closed"):
        submit(judge, "1", own("sleeper"))


def test_mistakes_are_found_before_any_worker_starts(judge: Judge) -> None:
    with pytest.raises(UsageError, match=r"no verifier 'maths'.*math"):
        Judge({"maths": {}})
    with pytest.raises(UsageError, match="no option 'case'; it takes ignore_case"):
        Judge({"exact": {"case": True}})
    with pytest.raises(UsageError, match="no verifier 'vibes'"):
        Judge({}, named=[None, "vibes"])
    with pytest.raises(UsageError, match="no verifier 'vibes'"):
        submit(judge, "42", "vibes")


def test_without_a_verifier_there_is_no_verdict() -> None:
    with Judge({}) as judge:
        assert submit(judge, "42").result() == []


def test_check_puts_every_gold_answer_before_its_verifier(judge: Judge, own: Callable[[str], str]) -> None:
    problems = [
        Problem("a", "", answer=r"\frac{1}{2}"),
        Problem("b", "", answer="two words", verifier="exact"),
        Problem("c", ""),
        Problem("d", "", answer="x", verifier=own("raiser")),
    ]
    found = [(problem.id, decide(verdicts)) for problem, verdicts in check(problems, judge)]
    assert [(name, v.outcome, v.reason, v.key) for name, v in found if v] == [
        ("a", "right", "equal", "a"),
        ("b", "right", "equal", "b"),
        ("c", "unverifiable", "no_gold", "c"),
        ("d", "error", "ValueError: bad luck", "d"),
    ]


def test_the_fingerprint_names_what_invalidates_verdicts(tmp_path: Path) -> None:
    plain = Judge({"exact": {}}).fingerprint()
    assert json.loads(json.dumps(plain)) == plain
    assert plain != Judge({"exact": {"ignore_case": False}}).fingerprint()
    assert "math-verify" in Judge({"math": {}}).fingerprint()["math"]["packages"]
    assert Judge({}).fingerprint([Problem("p", "", verifier="exact")])["exact"]["version"] == exact.VERSION
    versions = []
    for body in ("1", "2"):
        (file := tmp_path / "mine.py").write_text(f"def x(problem, response):\n    return {body}\n")
        versions.append(Judge({f"{file}:x": {}}).fingerprint()[f"{file}:x"]["version"])
    assert versions[0] != versions[1]


@pytest.mark.parametrize(
    ("outcomes", "decides"),
    [([], None), (["error", "right"], 1), (["wrong", "right"], 1), (["wrong", "unverifiable"], 0), (["error"] * 2, 1)],
)
def test_decide(outcomes: list, decides: int | None) -> None:
    verdicts = [Verdict(outcome, key=str(place)) for place, outcome in enumerate(outcomes)]
    verdicts.append(Verdict("right", second_opinion=True))
    assert decide(verdicts) == (None if decides is None else verdicts[decides])


def test_in_order_pulls_no_more_than_its_window() -> None:
    futures: list[Future[list[Verdict]]] = [Future() for _ in range(10)]
    pulled: list[int] = []

    def pairs() -> Iterator[tuple[int, Future[list[Verdict]]]]:
        for place, future in enumerate(futures):
            pulled.append(place)
            if place == 3:
                futures[0].set_result([])
            if place > 3:
                futures[place - 3].set_result([])
            yield place, future

    rows = in_order(pairs(), window=4)
    assert next(rows)[0] == 0
    assert pulled == [0, 1, 2, 3]
    for future in futures[7:]:
        future.set_result([])
    assert [place for place, _ in rows] == list(range(1, 10))
