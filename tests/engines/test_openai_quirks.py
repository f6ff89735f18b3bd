"""Servers differ: what one does not take is found out, said once, and left out only where the samples stay the same."""

import json
from typing import Any

import pytest
from asking import ask, requests
from fake_server import FakeServer, answer

from tracegen.records import TracegenError

pytest.importorskip("aiohttp")


def test_a_refused_seed_is_left_out_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(refuses={"seed"}) as server:
        completions = ask(server, requests(20))
        bodies = server.requests()
        ask(server, requests(3))
        again = server.requests()[len(bodies) :]
    assert {completion.error for completion in completions.values()} == {None}
    assert "seed" in bodies[0]
    assert sum("seed" in body for body in bodies) == 1, "the first request goes ahead alone"
    assert not any("seed" in body for body in again), "what is known stays known"
    assert capsys.readouterr().err.count("does not take `seed`") == 1


def test_max_completion_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(refuses={"max_tokens", "seed"}) as server:
        completions = ask(server, requests(5, max_tokens=4))
        last = server.requests()[-1]
    assert {completion.finish_reason for completion in completions.values()} == {"length"}
    assert last["max_completion_tokens"] == 4
    assert "max_tokens" not in last
    assert "max_completion_tokens" in capsys.readouterr().err


def test_what_shapes_the_samples_is_not_left_out_behind_the_users_back() -> None:
    with FakeServer(refuses={"temperature"}) as server:
        with pytest.raises(TracegenError, match=r"does not take `temperature`.*drop: \[temperature\]"):
            ask(server, requests(5, temperature=0.6))
        completions = ask(server, requests(5, temperature=0.6), drop=["temperature"])
        assert "temperature" not in server.requests()[-1]
    assert {completion.error for completion in completions.values()} == {None}


def test_a_default_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(refuses={"temperature", "top_p"}) as server:
        completions = ask(server, requests(2, temperature=1.0, top_p=1.0))
    assert {completion.error for completion in completions.values()} == {None}
    assert "1 is its default" in capsys.readouterr().err


def test_a_default_that_was_left_out_does_not_take_another_teachers_value_with_it() -> None:
    with FakeServer(refuses={"temperature"}) as server:
        ask(server, requests(2, temperature=1.0))
        with pytest.raises(TracegenError, match=r"does not take `temperature`.*drop: \[temperature\]"):
            ask(server, requests(2, temperature=0.3))
        assert {completion.error for completion in ask(server, requests(2, temperature=1.0)).values()} == {None}
        assert "temperature" not in server.requests()[-1]


def test_a_complaint_about_a_value_is_the_requests_own_error() -> None:
    def reply(body: dict[str, Any]) -> dict[str, Any]:
        return {"status": 400, "message": "max_tokens is too large: 99999. This model supports at most 8192."}

    with FakeServer(reply) as server:
        error = ask(server, requests(1, max_tokens=99999))["k0"].error
        assert len(server.requests()) == 1
    assert error
    assert error.startswith("400 max_tokens is too large")


def test_a_server_that_refuses_every_request_stops_the_run() -> None:
    with FakeServer(lambda body: {"status": 400, "message": "no"}) as server:
        with pytest.raises(TracegenError, match="refuses every request: 400 no"):
            ask(server, requests(5000), concurrency=8)
        assert len(server.requests()) < 200


@pytest.mark.parametrize("where", ["inline", "untagged", "reasoning", "reasoning_content"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_thinking_comes_back_from_wherever_the_server_puts_it(where: str, stream: bool) -> None:
    from tracegen.format import split

    with FakeServer(reasoning=where) as server:
        completion = ask(server, requests(1), stream=stream)["k0"]
        assert bool(server.requests()[0].get("stream")) is stream
    body = {"messages": [{"role": "user", "content": "problem 0"}], "seed": 0}
    whole = split(answer(body)["text"])
    parts = split(completion.text, reasoning=completion.reasoning, finish_reason=completion.finish_reason)
    assert parts == whole
    assert completion.completion_tokens == answer(body)["completion_tokens"]
    assert completion.prompt_tokens == 2


def test_content_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}, {"type": "text", "text": "four"}]
    raw = json.dumps({"choices": [{"message": {"content": parts}, "finish_reason": "stop"}], "usage": {}})
    with FakeServer(lambda body: {"raw": raw}) as server:
        completion = ask(server, requests(1))["k0"]
    assert (completion.text, completion.reasoning) == ("four", "so")


@pytest.mark.parametrize(
    ("reason", "tokens", "expected"),
    [(None, 3, "stop"), (None, 8, "length"), ("", 3, "stop"), ("max_tokens", 8, "length")],
)
def test_a_missing_reason_is_told_from_the_count(reason: str | None, tokens: int, expected: str) -> None:
    said = {"text": "four", "finish_reason": reason, "completion_tokens": tokens}
    with FakeServer(lambda body: said) as server:
        assert ask(server, requests(1, max_tokens=8))["k0"].finish_reason == expected


@pytest.mark.parametrize(("words", "expected"), [(4, "length"), (3, "stop")])
def test_a_streams_missing_reason_is_told_from_the_count_too(words: int, expected: str) -> None:
    said = {"text": "word " * words, "finish_reason": None, "completion_tokens": words}
    with FakeServer(lambda body: said) as server:
        assert ask(server, requests(1, max_tokens=4), stream=True)["k0"].finish_reason == expected


def test_an_answer_that_the_server_gave_up_is_asked_again_and_paid_for() -> None:
    said = {"text": "half", "finish_reason": "abort", "prompt_tokens": 5, "completion_tokens": 7}
    with FakeServer(lambda body: said if len(server.requests()) == 1 else answer(body)) as server:
        whole = ask(server, requests(1))["k0"]
        alone = ask(server, requests(1))["k0"]
        assert whole.error is None
        assert whole.completion_tokens == (alone.completion_tokens or 0) + 7
        assert whole.prompt_tokens == (alone.prompt_tokens or 0) + 5
    with FakeServer(lambda body: said) as server:
        given_up = ask(server, requests(1), max_retries=1)["k0"]
    assert "abort" in (given_up.error or "")
    assert (given_up.prompt_tokens, given_up.completion_tokens) == (10, 14)


@pytest.mark.parametrize("stream", [False, True])
def test_without_a_count_tokens_are_counted_here_and_that_is_said(
    stream: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeServer(lambda body: {"text": "x" * 400}, counts=False) as server:
        completion = ask(server, requests(1), stream=stream)["k0"]
    # A stream's pieces are its tokens, near enough; a text in one piece is estimated.
    assert completion.completion_tokens == (1 if stream else 100)
    assert completion.prompt_tokens == 3
    assert stream or "does not count tokens" in capsys.readouterr().err


def test_a_tokenizer_counts_exactly(tiny_model: str) -> None:
    with FakeServer(lambda body: {"text": "x" * 40}, counts=False) as server:
        completion = ask(server, requests(1), tokenizer=tiny_model)["k0"]
    assert completion.completion_tokens == 40, "its tokens are bytes"


def test_an_account_without_money_is_no_storm() -> None:
    raw = json.dumps({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}})
    with FakeServer(lambda body: {"status": 429, "raw": raw}) as server:
        with pytest.raises(TracegenError, match="is empty"):
            ask(server, requests(3))


@pytest.mark.parametrize("refused", ["stream", "stream_options"])
def test_a_server_without_streams_or_their_options(refused: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(refuses={refused}) as server:
        completions = ask(server, requests(3), stream=True)
        last = server.requests()[-1]
    assert {completion.error for completion in completions.values()} == {None}
    assert all(completion.completion_tokens for completion in completions.values())
    assert last.get("stream") == (True if refused == "stream_options" else None)
    assert "stream_options" not in last
    assert f"does not take `{refused}`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stream", "url", "max_tokens", "expected"),
    [
        ("auto", "https://api.example.org/v1", 16384, True),
        ("auto", "https://api.example.org/v1", 512, False),
        ("auto", "http://localhost:8000/v1", 16384, False),
        (True, "http://localhost:8000/v1", 16, True),
        (False, "https://api.example.org/v1", 16384, False),
    ],
)
def test_long_answers_from_elsewhere_are_streamed(stream: Any, url: str, max_tokens: int, expected: bool) -> None:
    from tracegen.engines import _quirks
    from tracegen.engines._flow import Flow
    from tracegen.engines._http import Http
    from tracegen.engines._server import Server, Settings

    settings = Settings("m", "chat", stream, None, frozenset(), None, None, {})
    server = Server(url, settings, Http(None, 1.0), Flow(1, 1), _quirks.of(url, "m"))
    assert server.streams(max_tokens) is expected
