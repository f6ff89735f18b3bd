"""The engine of Batch endpoints: what is sent, what comes back, and that nothing is paid for twice."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_batches import FakeBatches

from tracegen import registry
from tracegen.engines import _batches, _journal, _orders, _running
from tracegen.records import Completion, Request, TracegenError, UsageError

pytest.importorskip("aiohttp")


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short here."""
    monkeypatch.setattr(_running, "_FIRST_LOOK", 0.01)
    monkeypatch.setattr(_batches.random, "uniform", lambda low, high: 0.02)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    lines: list[str] = []
    monkeypatch.setattr(_orders, "say", lines.append)
    monkeypatch.setattr("tracegen.engines._lines.say", lines.append)
    return lines


@pytest.fixture
def server() -> Iterator[FakeBatches]:
    with FakeBatches() as server:
        yield server


def requests(count: int, max_tokens: int = 50, **more: Any) -> list[Request]:
    return [
        Request(
            key=f"k{number}",
            problem_id=f"p{number}",
            teacher="t",
            sample=0,
            messages=({"role": "user", "content": f"What is {number} + 1?"},),
            sampling={"temperature": 1.0, "max_tokens": max_tokens, "seed": number},
            **more,
        )
        for number in range(count)
    ]


def engine(server: FakeBatches, folder: Path | None = None, **options: Any) -> Any:
    given = {"base_url": server.base_url, "gather_seconds": 0.05, "poll_seconds": 0.02, **options}
    return registry.bind("engine", "batch_api", given, model="fake", folder=folder)


def ask(server: FakeBatches, asked: Iterable[Request | None], folder: Path | None = None, **options: Any) -> Any:
    return {request.key: completion for request, completion in engine(server, folder, **options)(asked)}


def test_requests_go_into_batches_and_answers_come_back_with_their_costs(server: FakeBatches) -> None:
    answers = ask(server, requests(25), batch_size=10, sampling_names={"max_tokens": "max_completion_tokens"})
    assert len(answers) == 25
    assert all("boxed" in answer.text and answer.completion_tokens and not answer.error for answer in answers.values())
    assert [len(server.lines(batch["input_file_id"])) for batch in server.batches.values()] == [10, 10, 5]
    line = server.lines("file-1")[3]
    body = {"model": "fake", "messages": [{"role": "user", "content": "What is 3 + 1?"}], "temperature": 1.0}
    assert line == {
        "custom_id": "k3",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": body | {"max_completion_tokens": 50, "seed": 3},
    }


def test_a_name_of_sampling_may_be_left_out_and_more_may_go_into_the_body(server: FakeBatches) -> None:
    ask(server, requests(1), sampling_names={"seed": None}, extra_body={"reasoning_effort": "high"})
    body = server.lines("file-1")[0]["body"]
    assert "seed" not in body
    assert body["reasoning_effort"] == "high"


def test_no_more_batches_are_at_the_server_than_asked_for(server: FakeBatches) -> None:
    server.looks = 3
    running = drawn = 0
    most_running = most_ahead = 0

    def stream() -> Iterator[Request]:
        nonlocal drawn, most_ahead, most_running
        for request in requests(40):
            drawn += 1
            most_ahead = max(most_ahead, drawn - done)
            most_running = max(most_running, sum(b["status"] != "completed" for b in server.batches.values()))
            yield request

    done = running
    for _ in engine(server, batch_size=5, batches_in_flight=2)(stream()):
        done += 1
    assert done == 40
    assert most_running <= 2
    assert most_ahead <= 10


def test_a_batch_that_is_not_full_is_sent_when_nothing_more_comes(server: FakeBatches) -> None:
    """The one who asks waits for the first answers before going on, as a scheduler does."""
    done: list[str] = []

    def stream() -> Iterator[Request | None]:
        first, *others = requests(4)
        yield first
        while not done:
            yield None
        yield from others

    for request, _ in engine(server, batch_size=100)(stream()):
        done.append(request.key)
    assert sorted(done) == ["k0", "k1", "k2", "k3"]
    assert len(server.batches) == 2


def leave_running(server: FakeBatches, asked: list[Request], folder: Path | None, **options: Any) -> None:
    """Begin, and stop as soon as all is at the server."""
    server.looks = 10**6
    drawn = 0

    def stream() -> Iterator[Request | None]:
        nonlocal drawn
        for request in asked:
            drawn += 1
            yield request
        while True:
            if sum(server.asked.values()) == len(asked):
                raise KeyboardInterrupt
            yield None

    with pytest.raises(KeyboardInterrupt):
        list(engine(server, folder, **options)(stream()))
    server.looks = 1
    for batch in server.batches.values():
        batch["looks"] = 1


def test_batches_are_left_running_and_picked_up_again_in_any_order(
    server: FakeBatches, tmp_path: Path, said: list[str]
) -> None:
    leave_running(server, requests(12), tmp_path, batch_size=5)
    assert said[-1].endswith("batch_1, batch_2, batch_3; the same command picks them up.")
    assert {batch["status"] for batch in server.batches.values()} <= {"validating", "in_progress"}
    answers = ask(server, [*reversed(requests(12)), *requests(14)[12:]], tmp_path, batch_size=5)
    assert sorted(answers) == sorted(request.key for request in requests(14))
    assert set(server.asked.values()) == {1}
    assert ask(server, requests(14), tmp_path).keys() == answers.keys()
    assert set(server.asked.values()) == {1}, "a third launch pays for nothing either"


def test_answers_that_nobody_asks_for_yet_are_kept_until_somebody_does(server: FakeBatches, tmp_path: Path) -> None:
    leave_running(server, requests(10), tmp_path)
    seen: list[str] = []

    def stream() -> Iterator[Request | None]:
        yield requests(10)[7]
        while not seen:
            yield None
        yield from requests(7)

    for request, answer in engine(server, tmp_path)(stream()):
        assert answer.error is None
        seen.append(request.key)
    assert sorted(seen) == [f"k{number}" for number in (0, 1, 2, 3, 4, 5, 6, 7)]
    assert set(server.asked.values()) == {1}
    downloads = [entry for entry in server.log if entry.endswith("/content")]
    assert len(downloads) == 1


@pytest.mark.parametrize("keeps_metadata", [True, False])
def test_an_order_whose_answer_was_lost_is_found_and_not_made_twice(
    server: FakeBatches, tmp_path: Path, keeps_metadata: bool
) -> None:
    server.keeps_metadata = keeps_metadata
    server.faults = [("POST /batches", "lost")]
    assert len(ask(server, requests(5), tmp_path)) == 5
    assert (len(server.batches), set(server.asked.values())) == (1, {1})


class Killed(BaseException):
    """Ends the process at a place of the test's choice."""


@pytest.mark.parametrize("where", ["before the upload", "after the upload", "before the order", "after the order"])
def test_a_kill_around_the_order_pays_for_nothing_twice(
    server: FakeBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    step, method = where.split()[0], "upload" if "upload" in where else "create"
    real = getattr(_batches.Batches, method)

    def killed(self: Any, *args: Any) -> Any:
        if step == "after":
            real(self, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_batches.Batches, method, killed)
        with pytest.raises(Killed):
            ask(server, requests(6), tmp_path, batch_size=3)
    ordered = len(server.batches)
    assert ordered == (where == "after the order")
    others = FakeBatches.order  # batches of other people stand before ours in the list
    for _ in range(5):
        others(
            server, {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": server.keep(b"")}
        )
    answers = ask(server, requests(6), tmp_path, batch_size=3)
    assert len(answers) == 6
    assert set(server.asked.values()) == {1}


def test_the_journal_forgets_what_is_long_handed_on_and_keeps_what_nobody_asked_for(
    server: FakeBatches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_journal, "SETTLED", 0.0)
    leave_running(server, requests(12), tmp_path, batch_size=4)
    seen: list[str] = []

    def stream() -> Iterator[Request | None]:
        yield from requests(8)
        yield requests(9)[8]
        while len(seen) < 9:
            yield None
        yield requests(13)[12]

    for request, _ in engine(server, tmp_path, batch_size=4)(stream()):
        seen.append(request.key)
    held = [json.loads(path.read_text())["keys"] for path in (tmp_path / "batches").iterdir()]
    assert ["k8", "k9", "k10", "k11"] in [list(keys) for keys in held], "three of its answers were never asked for"
    assert not any("k0" in keys or "k7" in keys for keys in held)
    assert len(ask(server, requests(12)[8:], tmp_path)) == 4
    assert set(server.asked.values()) == {1}


def test_without_a_folder_nothing_is_written_and_nothing_breaks(server: FakeBatches, said: list[str]) -> None:
    leave_running(server, requests(3), None)
    assert said[-1].endswith("batch_1; nobody picks them up.")
    assert len(ask(server, requests(3))) == 3


def test_cancel_on_exit_cancels(server: FakeBatches, tmp_path: Path, said: list[str]) -> None:
    leave_running(server, requests(3), tmp_path, cancel_on_exit=True)
    assert [batch["status"] for batch in server.batches.values()] == ["cancelled"]
    assert "cancelled at http" in said[-1]
    server.looks = 1
    assert len(ask(server, requests(3), tmp_path)) == 3


@pytest.mark.parametrize("fault", [409, 400, 500, "reset"])
def test_a_batch_that_cannot_be_cancelled_holds_nobody_up(
    server: FakeBatches, tmp_path: Path, said: list[str], fault: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_batches, "PATIENCE", 60.0)
    server.faults = [("POST /batches/", fault)] * 1000
    start = time.monotonic()
    leave_running(server, requests(3), tmp_path, cancel_on_exit=True)
    assert time.monotonic() - start < 10
    assert said[-1].endswith("batch_1; the same command picks them up.")


def test_an_address_with_a_slash_at_its_end_is_the_same_server(server: FakeBatches, tmp_path: Path) -> None:
    leave_running(server, requests(3), tmp_path)
    assert len(ask(server, requests(3), tmp_path, base_url=server.base_url + "/")) == 3
    assert set(server.asked.values()) == {1}


@pytest.mark.parametrize("ends", ["expired", "cancelled"])
def test_a_batch_that_ended_early_gives_what_it_has_and_the_rest_is_asked_again(ends: str) -> None:
    with FakeBatches(ends=ends, share=0.6) as server:
        answers = ask(server, requests(10), max_retries=9)
        assert len(answers) == 10
        assert all(answer.error is None for answer in answers.values())
        assert [len(server.lines(b["input_file_id"])) for b in server.batches.values()][:3] == [10, 4, 2]


def test_a_request_that_no_batch_answers_is_given_up_with_its_reason() -> None:
    with FakeBatches(lambda body: {"status": 503, "message": "overloaded"}) as server:
        answers = ask(server, requests(2), max_retries=2)
        assert {answer.error for answer in answers.values()} == {"503 overloaded; given up after 3 batches"}
        assert set(server.asked.values()) == {3}
    with FakeBatches(lambda body: {"skip": True}) as server:
        (answer,) = ask(server, requests(1), max_retries=0).values()
        assert answer.error == "the batch ended without it (completed); given up after 1 batches"


def test_a_line_that_the_server_refuses_is_an_error_and_is_not_sent_again() -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        bad = "What is 1 " in body["messages"][0]["content"]
        return {"status": 400, "message": "seed is not taken"} if bad else {"text": "4"}

    with FakeBatches(reply) as server:
        answers = ask(server, requests(3))
        assert [answers[key].error for key in ("k0", "k1", "k2")] == [None, "400 seed is not taken", None]
        assert set(server.asked.values()) == {1}


def test_a_failure_of_an_earlier_launch_is_asked_again_and_not_remembered_for_ever(tmp_path: Path) -> None:
    with FakeBatches(lambda body: {"status": 400, "message": "no"}) as server:
        assert ask(server, requests(2), tmp_path)["k0"].error == "400 no"
        server.reply = lambda body: {"text": "yes"}
        assert ask(server, requests(2), tmp_path, max_retries=0)["k0"].text == "yes"
        assert set(server.asked.values()) == {2}


def test_a_batch_that_the_server_refuses_stops_with_its_reason(server: FakeBatches, tmp_path: Path) -> None:
    server.ends, server.errors = "failed", [{"code": "model_not_found", "message": "The model fake does not exist"}]
    with pytest.raises(TracegenError, match=r"refuses batch batch_1: The model fake does not exist"):
        ask(server, requests(2), tmp_path)
    server.ends = "completed"
    assert len(ask(server, requests(2), tmp_path)) == 2, "the refused batch is not waited for again"


def test_a_full_queue_is_waited_for(server: FakeBatches, said: list[str]) -> None:
    server.ends, server.errors = "failed", [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
    server.looks = 1
    stream = engine(server, max_retries=0)(requests(2))
    real, calls = server.step, 0

    def step(batch: dict[str, Any]) -> None:
        nonlocal calls
        real(batch)
        calls += 1
        if calls == 3:
            server.ends = "completed"

    server.step = step  # type: ignore[method-assign]
    assert [completion.error for _, completion in stream] == [None, None]
    assert any("has to wait, too much is queued" in line for line in said)


def test_batches_that_the_server_never_takes_at_their_size_get_smaller(said: list[str]) -> None:
    with FakeBatches(most=3) as server:
        server.errors = [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]
        answers = ask(server, requests(20), batch_size=10, max_retries=0)
    assert len(answers) == 20
    assert {answer.error for answer in answers.values()} == {None}
    assert max(batch["request_counts"]["completed"] for batch in server.batches.values()) in (2, 3)


def test_a_wait_beyond_all_patience_is_said_and_not_slept_through(server: FakeBatches) -> None:
    server.faults = [("GET /batches/", (429, 86400))]
    with pytest.raises(TracegenError, match=r"asks to wait for 86400 s .*the same command picks them up"):
        ask(server, requests(2))


@pytest.mark.parametrize("place", ["POST /files", "GET /batches/", "GET /files/"])
@pytest.mark.parametrize("fault", ["reset", "lost", "torn", 429, 500])
def test_faults_on_the_way_cost_time_and_nothing_else(
    server: FakeBatches, place: str, fault: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults = [(place, fault)] * 2
    if fault == 429:
        monkeypatch.setattr(_batches.time, "sleep", lambda seconds: None)
    assert len(ask(server, requests(4))) == 4
    assert server.faults == []
    assert set(server.asked.values()) == {1}


def test_a_larger_max_tokens_keeps_what_is_finished_and_asks_what_was_cut_off(tmp_path: Path) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        long = "What is 0 " in body["messages"][0]["content"] and body["max_tokens"] < 100
        return {"text": "half", "finish_reason": "length"} if long else {"text": "whole"}

    with FakeBatches(reply) as server:
        first = ask(server, requests(2), tmp_path)
        assert (first["k0"].finish_reason, first["k1"].finish_reason) == ("length", "stop")
        # The ledger would ask only for k0; whoever has lost its ledger asks for both.
        second = ask(server, requests(2, max_tokens=200), tmp_path)
        assert (second["k0"].text, second["k1"].text) == ("whole", "whole")
        assert server.asked == {"k0": 2, "k1": 1}


def test_a_cut_off_answer_is_asked_anew_or_gone_on_with_where_the_recipe_says_so(
    server: FakeBatches, said: list[str], tmp_path: Path
) -> None:
    server.reply = lambda body: {"text": "b</think>4", "completion_tokens": 7}
    cut = requests(2, max_tokens=90, prefix="<think>a", prefix_tokens=40)
    pairs = list(engine(server, tmp_path)(cut))
    assert sorted((request for request, _ in pairs), key=lambda request: request.key) == cut
    assert {(answer.text, answer.prefix_tokens) for _, answer in pairs} == {("b</think>4", 0)}
    assert len([line for line in said if "asked anew" in line]) == 1
    assert server.lines("file-1")[0]["body"]["max_tokens"] == 90
    answers = ask(server, cut, tmp_path, continue_final_message=True)
    assert {(answer.text, answer.prefix_tokens, answer.completion_tokens) for answer in answers.values()} == {
        ("<think>ab</think>4", 40, 7)
    }
    body = server.lines(list(server.batches.values())[-1]["input_file_id"])[0]["body"]
    assert (body["max_tokens"], body["continue_final_message"], body["add_generation_prompt"]) == (50, True, False)
    assert body["messages"][-1] == {"role": "assistant", "content": "<think>a"}


def test_forcing_an_answer_is_an_error_where_nothing_is_gone_on_with(server: FakeBatches) -> None:
    (answer,) = ask(server, requests(1, prefix="<think>a</think>", prefix_tokens=40, forced=9)).values()
    assert "goes on with no answer" in answer.error
    assert server.log == []


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, r"refuses the key \(401\); name the environment variable"),
        (402, r"the account at .* is empty \(402\)"),
        (404, r"has no Batch endpoints \(404 for /files\); use the engine openai"),
        (400, r"refuses /files \(400\): scripted fault"),
    ],
)
def test_what_concerns_all_requests_is_one_sentence(server: FakeBatches, status: int, sentence: str) -> None:
    server.faults = [("POST /files", status)]
    with pytest.raises(TracegenError, match=sentence):
        ask(server, requests(2))


def test_a_wrong_key_is_not_shown(server: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    server.api_key = "right"
    monkeypatch.setenv("A_KEY", "wr0ng-key")
    with pytest.raises(TracegenError, match="put a valid key into the environment variable A_KEY") as error:
        ask(server, requests(1), api_key_env="A_KEY")
    assert "wr0ng-key" not in str(error.value)
    monkeypatch.setenv("A_KEY", "right")
    assert len(ask(server, requests(1), api_key_env="A_KEY")) == 1


def test_a_server_that_is_not_there_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_batches, "FIRST_PATIENCE", 0.1)
    bound = registry.bind("engine", "batch_api", {"base_url": "http://127.0.0.1:9/v1"}, model="fake")
    with pytest.raises(TracegenError, match=r"no server answers at http://127\.0\.0\.1:9/v1; start it, or correct"):
        list(bound(requests(1)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_url": "localhost:8000"}, "needs a base_url such as https"),
        ({"batch_size": 0}, "takes a batch_size of 1 to 50000, not 0"),
        ({"batches_in_flight": 0}, "at least one of batches_in_flight"),
        ({"api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY is not set"),
    ],
)
def test_mistakes_are_found_before_anything_is_sent(options: dict[str, Any], sentence: str) -> None:
    given = {"base_url": "http://127.0.0.1:9/v1"} | options
    with pytest.raises(UsageError, match=sentence):
        list(registry.bind("engine", "batch_api", given, model="fake")(requests(1)))


def test_a_damaged_journal_is_said_and_nothing_is_sent(server: FakeBatches, tmp_path: Path) -> None:
    leave_running(server, requests(1), tmp_path)
    (file,) = (tmp_path / "batches").iterdir()
    file.write_text("{")
    sent = len(server.log)
    with pytest.raises(UsageError, match=r"is damaged.*Look for the tag"):
        ask(server, requests(1), tmp_path)
    assert len(server.log) == sent


def test_a_file_is_cut_at_the_servers_limit_of_bytes(server: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(json.dumps({})) + 250
    monkeypatch.setattr(_orders, "MOST_BYTES", 3 * size)
    asked = requests(9)
    huge = Request("k9", "p9", "t", 0, ({"role": "user", "content": "x" * 4 * size},), asked[0].sampling)
    answers = ask(server, [*asked, huge])
    assert len(answers) == 10
    assert answers["k9"].error == "too long for a batch"
    assert all(len(server.files[b["input_file_id"]]) <= 3 * size for b in server.batches.values())
    assert len(server.batches) >= 3


def test_a_download_that_breaks_off_is_begun_again(server: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    real, broken = _batches._Answer.read, []

    def read(self: Any, size: int = -1) -> bytes:
        piece = real(self, size)
        if size >= 0 and not broken:
            broken.append(piece)
            raise _batches._Unsure("the connection broke")
        return piece

    monkeypatch.setattr(_batches._Answer, "read", read)
    assert len(ask(server, requests(5))) == 5
    assert broken


def test_files_that_are_gone_are_asked_again(server: FakeBatches, tmp_path: Path, said: list[str]) -> None:
    leave_running(server, requests(2), tmp_path)
    for batch in server.batches.values():
        server.step(batch)
        del server.files[batch["output_file_id"]]
    assert len(ask(server, requests(2), tmp_path)) == 2
    assert any("is gone from the server" in line for line in said)
    assert set(server.asked.values()) == {2}


def test_the_thinking_comes_back_in_its_own_channel(server: FakeBatches) -> None:
    server.reply = lambda body: {"text": "4", "reasoning_content": "2 + 2"}
    assert ask(server, requests(1))["k0"] == Completion("4", "2 + 2", "stop", 5, 1)


def test_waiting_for_a_day_burns_no_processor(server: FakeBatches) -> None:
    server.looks = 20
    start, used = time.monotonic(), time.process_time()
    ask(server, requests(1), poll_seconds=0.2)
    assert time.monotonic() - start > 1
    assert time.process_time() - used < 0.5 * (time.monotonic() - start) or os.cpu_count() == 1
