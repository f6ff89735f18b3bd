import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from asking import ask, requests
from fake_server import FakeServer, Reply, answer

from tracegen.engines.openai import openai
from tracegen.records import Completion, Request, TracegenError, UsageError

pytest.importorskip("aiohttp")


def failing(*first: dict[str, Any]) -> Reply:
    """A reply that fails so many times for each prompt before it answers."""
    seen: Counter[str] = Counter()

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        name = body["messages"][-1]["content"]
        seen[name] += 1
        return first[seen[name] - 1] if seen[name] <= len(first) else answer(body)

    return reply


def test_the_body_holds_model_messages_sampling_and_extra_body() -> None:
    with FakeServer() as server:
        ask(server, requests(1, temperature=0.5, top_k=20, stop=["x"], max_tokens=7), extra_body={"priority": 3})
        (body,) = server.requests()
    assert body == {
        "model": "fake",
        "messages": [{"role": "user", "content": "problem 0"}],
        "seed": 0,
        "temperature": 0.5,
        "top_k": 20,
        "stop": ["x"],
        "max_tokens": 7,
        "priority": 3,
    }


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_the_reasoning_channel_and_the_usage_come_back(field: str) -> None:
    said = {field: "because", "text": "4", "finish_reason": "length", "prompt_tokens": 9, "completion_tokens": 5}
    with FakeServer(lambda body: said) as server:
        completion = ask(server, requests(1))["k0"]
    assert completion == Completion("4", "because", "length", prompt_tokens=9, completion_tokens=5)


def test_an_empty_answer_is_asked_again_and_then_taken_at_its_word_with_what_all_tries_cost() -> None:
    with FakeServer(lambda body: {"text": None, "reasoning": "", "completion_tokens": 2}) as server:
        completion = ask(server, requests(1))["k0"]
        assert len(server.requests()) == 3
    assert (completion.text, completion.reasoning, completion.error) == ("", None, None)
    assert completion.completion_tokens == 6


@pytest.mark.parametrize("failure", [{"status": 500}, {"status": 429}, {"status": 409}, {"reset": True}])
def test_what_may_pass_is_tried_again(failure: dict[str, Any]) -> None:
    with FakeServer(failing(failure)) as server:
        completions = ask(server, requests(4))
        assert len(server.requests()) == 8
    assert [completion.error for completion in completions.values()] == [None] * 4


def test_a_try_that_takes_too_long_is_tried_again() -> None:
    with FakeServer(failing({"latency": 30, "text": "late"})) as server:
        start = time.monotonic()
        completion = ask(server, requests(1), timeout=0.3)["k0"]
    assert completion.error is None
    assert time.monotonic() - start < 5


def test_retry_after_is_honoured_by_all_that_have_not_been_sent() -> None:
    sent: list[float] = []

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        sent.append(time.monotonic())
        return {"status": 429, "retry_after": 1} if len(sent) == 1 else answer(body)

    with FakeServer(reply) as server:
        completions = ask(server, requests(3), concurrency=1)
    assert [completion.error for completion in completions.values()] == [None] * 3
    assert sent[1] - sent[0] >= 1


def test_a_wait_longer_than_the_patience_ends_the_run_and_says_how_long_it_would_be() -> None:
    with FakeServer(lambda body: {"status": 429, "retry_after": 3600}) as server:
        with pytest.raises(TracegenError, match=r"asks to wait for 3\d\d\d s .* the same command"):
            ask(server, requests(5))
        assert len(server.requests()) <= 5


def test_a_request_that_waits_for_another_try_holds_no_slot() -> None:
    with FakeServer(failing({"status": 500})) as server:
        order = list(ask(server, requests(2), concurrency=1))
        bodies = [body["messages"][0]["content"] for body in server.requests()]
    assert bodies[:2] == ["problem 0", "problem 1"]
    assert sorted(order) == ["k0", "k1"]


def test_retries_end_with_an_error_that_says_so() -> None:
    with FakeServer(lambda body: {"status": 500, "message": "broken"}) as server:
        error = ask(server, requests(1), max_retries=1)["k0"].error
        assert len(server.requests()) == 2
    assert error == "500 broken; given up after 2 tries"


def test_nothing_but_refusals_ends_the_run_after_the_patience() -> None:
    with FakeServer(lambda body: {"status": 503, "message": "busy"}) as server:
        start = time.monotonic()
        with pytest.raises(TracegenError, match=r"nothing but failures for \d s .*503 busy.* the same command"):
            ask(server, requests(5), patience=1.5, max_retries=0)
    assert 1.5 < time.monotonic() - start < 8


def test_a_refused_request_is_an_error_of_its_own_and_not_tried_again() -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        bad = body["messages"][0]["content"] == "problem 1"
        return {"status": 400, "message": "prompt too long"} if bad else answer(body)

    with FakeServer(reply) as server:
        completions = ask(server, requests(3))
        assert len(server.requests()) == 3
    assert completions["k1"] == Completion(error="400 prompt too long")
    assert completions["k0"].text
    assert completions["k2"].text


@pytest.mark.parametrize("raw", ["<html>hello</html>", '{"choices": [{"mess', "{}", '{"choices": []}', "[1]"])
def test_an_answer_of_another_shape_is_tried_again_and_then_an_error(raw: str) -> None:
    with FakeServer(failing({"raw": raw})) as server:
        assert ask(server, requests(1))["k0"].error is None
    with FakeServer(lambda body: {"raw": raw}) as server:
        completion = ask(server, requests(1), max_retries=1)["k0"]
        assert len(server.requests()) == 2
    assert completion.text == ""
    assert completion.error
    assert "given up after 2 tries" in completion.error


def test_an_error_inside_a_200_is_an_error() -> None:
    with FakeServer(lambda body: {"raw": '{"error": {"message": "the model is overloaded", "code": 502}}'}) as server:
        error = ask(server, requests(1), max_retries=0)["k0"].error
    assert error
    assert "the model is overloaded" in error


def test_a_refused_key_names_the_variable_and_never_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-very-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-server")
    with FakeServer(api_key="right") as server:
        with pytest.raises(TracegenError, match=r"refuses the key \(401\); .* variable TEACHER_KEY") as caught:
            ask(server, requests(1), api_key_env="TEACHER_KEY")
        with pytest.raises(TracegenError, match="api_key_env") as without:
            ask(server, requests(1))
    assert "secret" not in str(caught.value)
    assert "another" not in str(without.value)
    assert caught.value.exit_status == 1


def test_a_key_echoed_by_the_server_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-very-secret")
    with FakeServer(lambda body: {"status": 400, "message": "not for sk-very-secret"}) as server:
        error = ask(server, requests(1), api_key_env="TEACHER_KEY")["k0"].error
    assert error == "400 not for ***"


def test_an_unset_variable_is_the_users_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with pytest.raises(UsageError, match="TEACHER_KEY is not set"):
        list(openai(requests(1), model="m", base_url="http://127.0.0.1:9/v1", api_key_env="TEACHER_KEY"))


def test_an_address_may_hold_no_password() -> None:
    with pytest.raises(UsageError, match="name that one in api_key_env") as refused:
        list(openai(requests(1), model="m", base_url="http://me:secret@127.0.0.1:9/v1"))
    assert "secret" not in str(refused.value)


def test_a_model_that_the_server_lacks_is_refused_before_anything_is_asked() -> None:
    with FakeServer(models=["alpha", "beta"]) as server:
        with pytest.raises(TracegenError, match="has no model 'fake'; it has alpha, beta"):
            ask(server, requests(1))
        assert server.requests() == []


def test_a_server_without_a_list_of_models_is_taken_at_its_word() -> None:
    with FakeServer(models_status=405, models=[]) as server:
        assert ask(server, requests(1))["k0"].error is None


def test_a_server_that_is_down_is_said_at_once() -> None:
    with FakeServer() as server:
        base_url = server.base_url
    start = time.monotonic()
    with pytest.raises(TracegenError, match=f"no server answers at {base_url}"):
        list(openai(requests(1), model="fake", base_url=base_url))
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(("status", "says"), [(401, "refuses the key"), (402, "is empty"), (404, "is unknown")])
def test_what_concerns_all_requests_stops_the_run_after_what_was_answered(status: int, says: str) -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        return answer(body) | {"latency": 0.3} if body["seed"] != 1 else {"status": status}

    got: list[str] = []
    with FakeServer(reply) as server:
        completions = openai(requests(50), model="fake", base_url=server.base_url, concurrency=4)
        with pytest.raises(TracegenError, match=says):
            got.extend(request.key for request, _ in completions)
        assert len(server.requests()) < 20
        answered = sum(entry["event"] == "answered" and entry["status"] == 200 for entry in server.log)
    assert len(got) == answered >= 1


def test_a_server_that_vanishes_stops_the_run() -> None:
    server = FakeServer()
    asked = requests(8)

    def stream() -> Iterator[Request]:
        for number, request in enumerate(asked):
            if number == 4:
                server.stop()
            yield request

    with server, pytest.raises(TracegenError, match=r"nothing but failures.*no connection"):
        list(openai(stream(), model="fake", base_url=server.base_url, concurrency=1, patience=1))


def test_concurrency_is_reached_and_never_exceeded() -> None:
    with FakeServer(latency=0.05) as server:
        ask(server, requests(100), concurrency=16, max_concurrency=16)
        assert server.max_in_flight == 16


def test_a_slow_consumer_does_not_hold_up_what_is_in_flight_nor_is_it_flooded() -> None:
    drawn = 0

    def stream() -> Iterator[Request]:
        nonlocal drawn
        for request in requests(100):
            drawn += 1
            yield request

    with FakeServer(latency=0.2) as server:
        completions = openai(stream(), model="fake", base_url=server.base_url, concurrency=4, max_concurrency=4)
        next(completions)
        time.sleep(0.6)
        answered = sum(entry["event"] == "answered" for entry in server.log)
        assert answered >= 4
        for _ in range(3):
            next(completions)
        assert drawn <= 4 + 8
        completions.close()  # type: ignore[attr-defined]


def test_256_connections_at_once() -> None:
    with FakeServer(latency=2.0) as server:
        completions = ask(server, requests(256), concurrency=256, timeout=60.0)
        assert server.max_in_flight >= 200
    assert all(completion.error is None for completion in completions.values())


def test_a_proxy_in_the_environment_does_not_stand_between_us_and_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeServer() as server:
        assert ask(server, requests(1))["k0"].error is None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"base_url": "localhost:8000"}, "base_url such as"),
        ({"base_url": []}, "base_url such as"),
        ({"concurrency": 0}, "at least 1"),
        ({"concurrency": 8, "max_concurrency": 4}, "below concurrency"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], says: str) -> None:
    options = {"model": "m", "base_url": "http://127.0.0.1:9/v1"} | options
    with pytest.raises(UsageError, match=says):
        list(openai(requests(1), **options))


def test_nothing_is_contacted_where_nothing_is_asked() -> None:
    assert list(openai(iter([None, None]), model="m", base_url="http://127.0.0.1:9/v1")) == []
