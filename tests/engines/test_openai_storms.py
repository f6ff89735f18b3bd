"""Storms, restarts and several servers: nothing is lost, nobody spins, and the run stops only where nothing helps."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from asking import ask, requests
from fake_server import FakeServer, Faults, answer

from tracegen import telemetry
from tracegen.engines import _watching
from tracegen.engines.openai import openai
from tracegen.records import TracegenError

pytest.importorskip("aiohttp")


def test_a_storm_of_429_costs_no_request_a_try_and_is_asked_little() -> None:
    with FakeServer(latency=0.02, faults=Faults(storms=[(0.2, 3.0)])) as server:
        start = time.monotonic()
        completions = ask(server, requests(600), concurrency=32, max_retries=0)
        seconds = time.monotonic() - start
        statuses = Counter(entry["status"] for entry in server.log if entry["event"] == "answered")
    assert len(completions) == 600
    assert {completion.error for completion in completions.values()} == {None}
    assert statuses[200] == 600, "nothing is asked twice"
    assert statuses[429] < 100, "those in flight when it began, and a few that look whether it is over"
    assert seconds < 15


def test_faults_of_every_kind_leave_every_request_answered_once() -> None:
    faults = Faults(errors=0.05, resets=0.05, malformed=0.05, storms=[(0.3, 1.0)])
    with FakeServer(latency=0.02, faults=faults) as server:
        completions = ask(server, requests(400), concurrency=32)
    assert len(completions) == 400
    assert {completion.error for completion in completions.values()} == {None}


def test_a_server_that_restarts_is_waited_for() -> None:
    first = FakeServer(latency=0.05)
    second: FakeServer | None = None

    def restart() -> None:
        nonlocal second
        time.sleep(0.4)
        first.stop()
        time.sleep(2.0)
        second = FakeServer(latency=0.05, port=first.port)
        second.__enter__()

    with first:
        thread = threading.Thread(target=restart)
        thread.start()
        completions = ask(first, requests(300), concurrency=8, max_retries=1)
        thread.join()
    assert second is not None
    second.stop()
    assert {completion.error for completion in completions.values()} == {None}
    assert len(completions) == 300


def test_a_server_that_refuses_beyond_a_number_is_found_out_and_kept_below_it() -> None:
    with FakeServer(latency=0.05, most=10) as server:
        completions = ask(server, requests(400), concurrency=64)
        statuses = [entry["status"] for entry in server.log if entry["event"] == "answered"]
    assert len(completions) == 400
    assert {completion.error for completion in completions.values()} == {None}
    late = Counter(statuses[-200:])
    assert late[429] < 60, "it has settled near what the server takes"


def test_the_queue_of_a_vllm_server_is_kept_short() -> None:
    with FakeServer(latency=0.2, vllm=True, seats=8) as server:
        ask(server, requests(400), concurrency=64)
        asked = [entry for entry in server.log if entry["event"] == "request"]
        answered = {entry["id"]: entry["time"] for entry in server.log if entry["event"] == "answered"}
    waits = [answered[entry["id"]] - entry["time"] for entry in asked]
    early, late = waits[:64], waits[-64:]
    assert sum(late) / len(late) < 0.5 * max(early), "at first 64 stood in line for 8 seats"


def test_what_is_in_flight_and_refused_is_told_to_whoever_watches() -> None:
    telemetry.forget()
    with FakeServer(latency=0.02, vllm=True, faults=Faults(storms=[(0.1, 0.4)])) as server:
        ask(server, requests(200), concurrency=16)
        told = telemetry.snapshot()["t"]
    assert told["throttled"] >= 1
    assert told["slots"] >= 1
    assert told["in_flight"] == 0
    assert {"waiting", "kv_cache"} <= told.keys()


def test_several_servers_share_the_work() -> None:
    telemetry.forget()
    with FakeServer(latency=0.05) as one, FakeServer(latency=0.05) as two:
        completions = ask(one, requests(200), base_url={"one": one.base_url, "two": two.base_url}, concurrency=8)
        shares = len(one.requests()), len(two.requests())
    assert len(completions) == sum(shares) == 200
    assert min(shares) > 60
    assert {f"t@{one.base_url}", f"t@{two.base_url}"} <= telemetry.snapshot().keys()


def test_a_slower_server_gets_less() -> None:
    with FakeServer(latency=0.02) as quick, FakeServer(latency=0.2) as slow:
        ask(quick, requests(300), base_url=[quick.base_url, slow.base_url], concurrency=8, max_concurrency=8)
        assert len(quick.requests()) > 3 * len(slow.requests()) > 0


def test_the_work_of_a_server_that_dies_goes_to_the_others() -> None:
    with FakeServer(latency=0.05) as one, FakeServer(latency=0.05) as two:
        killer = threading.Timer(0.5, two.stop)
        killer.start()
        urls = [one.base_url, two.base_url]
        completions = ask(one, requests(400), base_url=urls, concurrency=8, max_concurrency=8, max_retries=1)
        killer.join()
    assert len(completions) == 400
    assert {completion.error for completion in completions.values()} == {None}


def test_one_server_of_two_that_is_down_at_the_start_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as dead:
        pass
    with FakeServer() as server:
        completions = ask(server, requests(20), base_url=[dead.base_url, server.base_url])
    assert len(completions) == 20
    assert {completion.error for completion in completions.values()} == {None}
    assert f"no server answers at {dead.base_url}" in capsys.readouterr().err
    with pytest.raises(TracegenError, match="no server answers"):
        ask(dead, requests(1), base_url=[dead.base_url, dead.base_url + "/x"])


def test_a_server_that_was_down_at_the_start_joins_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watching, "_ABSENT", 0.1)
    with FakeServer() as late:
        port = late.port
    with FakeServer(latency=0.05) as server, ExitStack() as stack:
        urls, answered = [late.base_url, server.base_url], 0
        for _ in openai(requests(200), model="fake", base_url=urls, concurrency=2, max_concurrency=2):
            answered += 1
            if answered == 20:
                late = stack.enter_context(FakeServer(port=port))
        assert answered == 200
        assert len(late.requests()) > 20


def test_a_server_that_fails_at_everything_stops_the_run_and_not_only_its_requests() -> None:
    with FakeServer(lambda body: {"status": 500, "message": "broken", "latency": 0.02}) as server:
        start = time.monotonic()
        with pytest.raises(TracegenError, match=r"nothing but failures for .*500 broken"):
            ask(server, requests(100_000), concurrency=8, patience=2.0)
    assert time.monotonic() - start < 10


def test_a_used_up_rate_limit_ends_the_run_where_its_reset_is_beyond_all_patience() -> None:
    used_up = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "23h59m"}

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        return answer(body) | ({"headers": used_up} if body["seed"] == 5 else {})

    start = time.monotonic()
    with FakeServer(reply) as server, pytest.raises(TracegenError, match=r"asks to wait for 86\d+ s .*patience: 2"):
        ask(server, requests(1000), concurrency=4, patience=2.0)
    assert time.monotonic() - start < 10


def test_a_long_wait_is_asked_for_and_what_is_in_flight_is_awaited() -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        if body["seed"] == 5:
            return {"status": 429, "retry_after": 3600, "latency": 0.5}
        return answer(body) | {"latency": 1.5 if body["seed"] else 0.0}

    got: list[Any] = []
    with FakeServer(reply) as server:
        pairs = openai(requests(8), model="fake", base_url=server.base_url, concurrency=8, patience=2.0)
        with pytest.raises(TracegenError, match=r"asks to wait for 3\d+ s"):
            got.extend(pairs)
        paid = sum(entry["event"] == "answered" and entry["status"] == 200 for entry in server.log)
    assert len(got) == paid == 7


def test_a_failure_now_and_then_does_not_stop_anything() -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        return {"status": 500} if body["seed"] % 3 == 0 else answer(body)

    with FakeServer(reply, latency=0.05) as server:
        completions = ask(server, requests(60), concurrency=4, patience=0.5, max_retries=1)
    failed = {key for key, completion in completions.items() if completion.error}
    assert failed == {f"k{number}" for number in range(0, 60, 3)}
