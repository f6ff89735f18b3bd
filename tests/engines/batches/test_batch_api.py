"""The engine of Batch endpoints: what is sent, what comes back, and what goes wrong on the way."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batching import ask, engine, requests
from fake_batches import FakeBatches

pytest.importorskip("aiohttp")

from tracegen import registry
from tracegen.engines import _batches, _orders
from tracegen.records import Completion, Request, TracegenError, UsageError


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


def test_a_server_that_refuses_every_line_stops_the_run() -> None:
    got = []
    with FakeBatches(lambda body: {"status": 400, "message": "no such parameter"}) as server:
        with pytest.raises(TracegenError, match=r"refuses every request: 400 no such parameter"):
            got.extend(engine(server, batch_size=60)(requests(200)))
        assert len(server.batches) < 4 + 4
    assert len(got) >= 50
    assert all(completion.error for _, completion in got)


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


def test_an_answer_is_joined_to_what_there_was_wherever_the_server_put_it(server: FakeBatches) -> None:
    server.reply = lambda body: {"reasoning_content": "The answer", "text": " is 4"}
    closed = requests(1, prefix="<think>a</think>", prefix_tokens=3, forced=9)
    assert ask(server, closed, continue_final_message=True)["k0"].text == "<think>a</think>The answer is 4"
    half_a_character = requests(1, prefix="<think>a\ufffd", prefix_tokens=3)
    assert ask(server, half_a_character, continue_final_message=True)["k0"].text.startswith("<think>aThe answer\n</th")
    bodies = [server.lines(batch["input_file_id"])[0]["body"] for batch in server.batches.values()]
    assert [body["messages"][-1]["content"] for body in bodies] == ["<think>a</think>", "<think>a"]


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


def test_the_thinking_comes_back_in_its_own_channel(server: FakeBatches) -> None:
    server.reply = lambda body: {"text": "4", "reasoning_content": "2 + 2"}
    assert ask(server, requests(1))["k0"] == Completion("4", "2 + 2", "stop", 5, 1)


def test_waiting_for_a_day_burns_no_processor(server: FakeBatches) -> None:
    server.looks = 20
    start, used = time.monotonic(), time.process_time()
    ask(server, requests(1), poll_seconds=0.2)
    assert time.monotonic() - start > 1
    assert time.process_time() - used < 0.5 * (time.monotonic() - start) or os.cpu_count() == 1
