"""A judge gives the same verdicts in the main thread, in many threads, under asyncio and behind a server."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tracegen.records import Problem, Verdict
from tracegen.verify import Judge, decide, gold_trace

CASES = [
    (Problem("sum", "?", answer="1/2"), r"\boxed{0.5}"),
    (Problem("different", "?", answer="1/2"), r"\boxed{0.25}"),
    (Problem("algebra", "?", answer="x^2 + 2x + 1"), r"\boxed{(x+1)^2}"),
    (Problem("proof", "?", answer="Proof. Clear."), "Clear."),
    (Problem("nothing", "?", answer="7"), "I cannot say."),
    (Problem("choice", "?", answer="B", verifier="choice", extra={"choices": ["x", "y"]}), "Option B"),
    (Problem("pattern", "?", answer=r"(a+)+b", verifier="regex"), "aab"),
    (Problem("endless", "?", answer=r"(a+)+b", verifier="regex"), "a" * 60),
    (Problem("json", "?", answer="[1, 2]", verifier="json"), "[1.0, 2]"),
]
Said = tuple[str, str, str | None]


def said(verdicts: list[Verdict]) -> Said:
    verdict = decide(verdicts)
    assert verdict is not None
    return verdict.outcome, verdict.reason, verdict.answer


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with Judge({"math": {}}, workers=2, timeout=1.0, named=["choice", "regex", "json"]) as judge:
        judge.submit(*case(0)).result()
        yield judge


@pytest.fixture(scope="module")
def expected(judge: Judge) -> list[Said]:
    found = [said(judge.submit(*case(place)).result()) for place in range(len(CASES))]
    outcomes = ["right", "wrong", "right", "unverifiable", "wrong", "right", "right", "error", "right"]
    assert [outcome for outcome, _, _ in found] == outcomes
    return found


def case(place: int) -> tuple:
    problem, response = CASES[place]
    return problem, gold_trace(problem.id, response)


def test_in_many_threads(judge: Judge, expected: list[Said]) -> None:
    places = list(range(len(CASES))) * 4
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda place: said(judge.submit(*case(place)).result()), places))
    assert found == expected * 4


def test_under_asyncio(judge: Judge, expected: list[Said]) -> None:
    async def all_at_once() -> list[Said]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        futures = [asyncio.wrap_future(judge.submit(*case(place))) for place in range(len(CASES))]
        found = [said(verdicts) for verdicts in await asyncio.gather(*futures)]
        ticking.cancel()
        assert ticks > 20  # the loop went on while a worker was stuck for a second
        return found

    assert asyncio.run(all_at_once()) == expected


def test_a_caller_that_gives_up_costs_no_one_else_a_verdict(judge: Judge, expected: list[Said]) -> None:
    async def impatient() -> Said:
        stuck = asyncio.wrap_future(judge.submit(*case(7)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stuck, 0.1)
        return said(await asyncio.wrap_future(judge.submit(*case(0))))

    assert asyncio.run(impatient()) == expected[0]


def test_behind_a_server(judge: Judge, expected: list[Said]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(said(judge.submit(*case(int(self.path[1:]))).result())).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    def ask(place: int) -> Said:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        connection.request("GET", f"/{place}")
        return tuple(json.loads(connection.getresponse().read()))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(ask, range(len(CASES))))
        server.shutdown()
    assert found == expected


def test_a_judge_may_be_made_in_any_thread(expected: list[Said]) -> None:
    def alone() -> list[Said]:
        with Judge({"math": {}}, workers=1) as own:
            return [said(own.submit(*case(place)).result()) for place in range(3)]

    with ThreadPoolExecutor(2) as threads:
        assert [made.result() for made in [threads.submit(alone), threads.submit(alone)]] == [expected[:3]] * 2
