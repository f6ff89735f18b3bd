"""A verifier's line to a model: kept before it is read, never asked twice, counted, and no one waits for ever."""

import json
import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer

from tracegen.ask import Ask
from tracegen.cost import Meter
from tracegen.ledger import read
from tracegen.panel import decide
from tracegen.recipe import Asked, Budget, Prices
from tracegen.records import BudgetReached, Problem, TracegenError, UsageError
from tracegen.verify import Judge, gold_trace

PROBLEM = Problem("p", "Capital of France?", answer="Paris")


def line(server: FakeServer, folder: Path | None, **more: Any) -> Ask:
    options = {"base_url": server.base_url, "max_retries": 0} | more.pop("options", {})
    asked = Asked(engine="openai", model="fake", options=options, **more)
    return Ask("judge", asked, folder=folder, seed=1)


def prompt(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_an_answer_is_on_disk_before_the_verifier_sees_it(tmp_path: Path) -> None:
    with FakeServer(lambda body: {"text": body["messages"][0]["content"].upper()}) as server:
        ask = line(server, tmp_path)
        (completion,) = ask.of(PROBLEM)(prompt("yes"))
        (row,) = read(tmp_path / "judge")
        ask.close()
    assert completion.text == row["text"] == "YES"
    assert (row["teacher"], row["problem_id"]) == ("verifier:judge", "p")


def test_nothing_is_asked_twice_by_this_launch_or_the_next(tmp_path: Path) -> None:
    with FakeServer(lambda body: {"text": str(body["seed"])}, latency=0.1) as server:
        ask = line(server, tmp_path, sampling={"temperature": 1.0})
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda _: ask.of(PROBLEM)(prompt("yes"), prompt("no"), repeats=2), range(8)))
        ask.close()
        assert len(server.requests()) == 4
        texts = [[completion.text for completion in completions] for completions in found]
        assert all(row == texts[0] for row in texts)
        assert len(set(texts[0])) == 4
        again = line(server, tmp_path, sampling={"temperature": 1.0})
        assert [c.text for c in again.of(PROBLEM)(prompt("yes"), prompt("no"), repeats=2)] == texts[0]
        again.close()
        assert len(server.requests()) == 4


def test_what_failed_or_was_cut_off_is_asked_again_by_the_next_launch(tmp_path: Path) -> None:
    replies: list[dict[str, Any]] = [{"status": 400, "message": "no"}, {"text": "a b", "finish_reason": "length"}]
    with FakeServer(lambda _: replies.pop(0) if replies else {"text": "whole"}) as server:
        texts = []
        for max_tokens in (2, 2, 2, 99):
            ask = line(server, tmp_path, sampling={"max_tokens": max_tokens})
            (completion,) = ask.of(PROBLEM)(prompt("yes"))
            texts.append(completion.text if completion.error is None else "failed")
            ask.close()
        assert texts == ["failed", "a b", "a b", "whole"]
        assert len(server.requests()) == 3


def test_no_one_waits_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    with FakeServer() as server:
        pass
    ask = line(server, tmp_path)
    with pytest.raises(TracegenError, match="no server answers"):
        ask.of(PROBLEM)(prompt("yes"))
    with pytest.raises(TracegenError, match="no server answers"):
        ask.of(PROBLEM)(prompt("another"))
    ask.close()


def test_an_engine_that_is_gone_before_anyone_looks_holds_up_no_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Ask) -> None:
        raise OSError("no such device")

    submit = ThreadPoolExecutor.submit

    def at_once(pool: ThreadPoolExecutor, *call: Any) -> Future[Any]:
        running = submit(pool, *call)
        running.exception(10)
        return running

    with FakeServer() as server:
        ask = line(server, tmp_path)
        monkeypatch.setattr(Ask, "_run", gone)
        monkeypatch.setattr(ThreadPoolExecutor, "submit", at_once)
        with pytest.raises(TracegenError, match="no such device"):
            ask.of(PROBLEM)(prompt("yes"))
        ask.close()


def test_closing_keeps_what_is_in_flight_and_lets_go_of_the_rest(tmp_path: Path) -> None:
    with FakeServer(lambda _: {"text": "yes", "latency": 0.5}) as server:
        ask = line(server, tmp_path, options={"concurrency": 1})
        errors: list[str] = []

        def wait() -> None:
            try:
                ask.of(PROBLEM)(*(prompt(str(n)) for n in range(20)))
            except TracegenError as error:
                errors.append(str(error))

        thread = threading.Thread(target=wait)
        thread.start()
        while not server.requests():
            time.sleep(0.01)
        ask.close()
        thread.join(10)
        assert not thread.is_alive()
    assert errors == ["verifier:judge was closed before its model had answered."]
    assert 1 <= len(list(read(tmp_path / "judge"))) < 20
    with pytest.raises(TracegenError, match="was closed"):
        ask.of(PROBLEM)(prompt("late"))


def test_the_budget_counts_what_is_asked_and_ends_the_asking(tmp_path: Path) -> None:
    with FakeServer(lambda _: {"text": "yes", "prompt_tokens": 90, "completion_tokens": 10}) as server:
        ask = line(server, tmp_path)
        ask.meter = Meter(Budget(usd=0.3), {ask.name: Prices(input=1000, output=10_000)})
        ask.of(PROBLEM)(prompt("one"))
        assert ask.meter.tokens == 100
        assert ask.meter.usd == pytest.approx(0.19)
        ask.of(PROBLEM)(prompt("two"))
        with pytest.raises(BudgetReached, match=r"budget\.usd is 0\.3"):
            ask.of(PROBLEM)(prompt("three"))
        assert ask.of(PROBLEM)(prompt("two"))[0].text == "yes"
        ask.close()
        assert len(server.requests()) == 2


def test_without_a_folder_no_model_is_asked() -> None:
    with pytest.raises(UsageError, match=r"its answers need a folder: Judge\(asked=\.\.\.\)"):
        Judge({"judge": {"engine": "openai", "model": "m", "options": {"base_url": "http://127.0.0.1:9/v1"}}})
    with pytest.raises(UsageError, match="no engine 'opnai'"):
        Judge({"judge": {"engine": "opnai", "model": "m"}}, asked=Path("unused"))


def test_a_judge_that_waits_for_its_model_holds_up_no_other(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        mark = re.findall(r"VERDICT (\w+): RIGHT", body["messages"][-1]["content"])[-1]
        return {"text": f"Same.\nVERDICT {mark}: RIGHT", "latency": 1.0}

    with FakeServer(reply) as server:
        model = {"engine": "openai", "model": "fake", "options": {"base_url": server.base_url}}
        verifiers = {"math": {}, "judge": {"only": "unverifiable", **model}}
        proof = Problem("proof", "Prove it.", answer="Proof. Clear.")
        sums = [Problem(f"s{n}", "1 + 1?", answer="2") for n in range(40)]
        with Judge(verifiers, asked=tmp_path) as judge:
            judge.submit(sums[0], gold_trace("warm", "2")).result()
            slow = [judge.submit(proof, gold_trace(f"k{n}", f"By {n}.")) for n in range(40)]
            fast = [judge.submit(problem, gold_trace(problem.id, r"\boxed{2}")) for problem in sums]
            found = [decide(future.result()) for future in fast]
            assert not any(future.done() for future in slow)
            began = time.monotonic()
            late = [future.result() for future in slow]
        assert time.monotonic() - began < 10  # 80 questions of a second each, side by side
        assert {verdict.outcome for verdict in found if verdict} == {"right"}
        assert {tuple((v.verifier, v.outcome, v.reason) for v in verdicts) for verdicts in late} == {
            (("math", "unverifiable", "proof"), ("judge", "right", "agreed"))
        }
        assert server.max_in_flight > 20
    assert json.dumps(judge.fingerprint())
