"""Answers that were cut off are gone on with where the server can, and asked anew where it cannot."""

from contextlib import nullcontext
from typing import Any

import pytest
from asking import ask, requests
from fake_answers import THINK
from fake_server import FakeServer, Faults, answer

from tracegen.engines.openai import openai
from tracegen.format import ENOUGH, written
from tracegen.records import Completion, Request, TracegenError

pytest.importorskip("aiohttp")

CUT = 6


def cut_off(server: FakeServer, **options: Any) -> tuple[Completion, Request]:
    """The first words of an answer, and the request that asks for the rest."""
    first = ask(server, requests(1, max_tokens=CUT), **options)["k0"]
    assert first.finish_reason == "length"
    text = written(first.text, first.reasoning)
    (rest,) = requests(1, max_tokens=100, prefix=text, prefix_tokens=first.completion_tokens or 0)
    return first, rest


def whole(seed: int = 0) -> dict[str, Any]:
    return answer({"messages": [{"role": "user", "content": f"problem {seed}"}], "seed": seed})


@pytest.mark.parametrize("thinks", [False, True])
@pytest.mark.parametrize("where", ["inline", "reasoning"])
def test_vllm_goes_on_by_token_ids_whatever_the_template_does_to_the_tag(thinks: bool, where: str) -> None:
    with FakeServer(vllm=True, thinks=thinks, reasoning=where) as server:
        first, rest = cut_off(server)
        before = len(server.requests())
        second = ask(server, [rest])["k0"]
        (body,) = server.requests()[before:]
    assert isinstance(body["prompt"], list)
    assert body["max_tokens"] == 100 - CUT
    assert second.reasoning is None
    assert second.text.removeprefix(THINK) == whole()["text"].removeprefix(THINK)
    assert second.prefix_tokens == first.completion_tokens == CUT
    assert (first.completion_tokens or 0) + (second.completion_tokens or 0) == whole()["completion_tokens"]


class WithoutIds(FakeServer):
    """Goes on with the last message, but does not tokenize."""

    def __init__(self, **more: Any) -> None:
        super().__init__(vllm=True, **more)
        self.tokenizes = False


@pytest.mark.parametrize("where", ["inline", "reasoning"])
def test_the_last_message_is_gone_on_with_where_a_probe_shows_that_it_is(where: str) -> None:
    with WithoutIds(reasoning=where) as server:
        _, rest = cut_off(server)
        second = ask(server, [rest])["k0"]
        body = server.requests()[-1]
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert body["messages"][-1]["role"] == "assistant"
    assert second.text == whole()["text"]
    assert second.prefix_tokens == CUT


def test_a_server_that_ignores_the_field_is_found_out_and_asked_anew(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as server:
        _, rest = cut_off(server)
        second = ask(server, [rest])["k0"]
        body = server.requests()[-1]
        ask(server, [rest])
    assert body["messages"] == [{"role": "user", "content": "problem 0"}]
    assert body["max_tokens"] == 100
    assert second == Completion(**whole() | {"prompt_tokens": 2})
    assert second.prefix_tokens == 0
    assert capsys.readouterr().err.count("cannot go on with an answer that was cut off") == 1


def test_closed_thinking_gets_its_answer_or_an_error() -> None:
    (forced,) = requests(1, max_tokens=40, prefix=f"{THINK}so far{ENOUGH}", prefix_tokens=12, forced=20)
    with FakeServer(vllm=True) as server:
        completion = ask(server, [forced])["k0"]
    assert completion.error is None
    assert completion.text.startswith(forced.prefix + "The answer is")
    assert completion.prefix_tokens == 12
    with FakeServer() as server:
        completion = ask(server, [forced])["k0"]
    assert completion.error
    assert "cannot go on with a text" in completion.error


@pytest.mark.parametrize("thinks", [False, True])
def test_the_completions_endpoint_renders_by_the_server(thinks: bool) -> None:
    with FakeServer(vllm=True, thinks=thinks) as server:
        completion = ask(server, requests(1), endpoint="completions")["k0"]
        _, rest = cut_off(server, endpoint="completions")
        second = ask(server, [rest], endpoint="completions")["k0"]
    assert completion.text == second.text == whole()["text"]


def test_the_completions_endpoint_renders_by_a_tokenizer(tiny_model: str) -> None:
    with FakeServer(lambda body: {"text": body["prompt"]}) as server:
        (request,) = requests(1, prefix="<think>\nso")
        completion = ask(server, [request], endpoint="completions", tokenizer=tiny_model)["k0"]
        (body,) = server.requests()
    assert body["prompt"] == "<|im_start|>user\nproblem 0<|im_end|>\n<|im_start|>assistant\n<think>\nso"
    assert completion.text == "<think>\nso" + body["prompt"]


def test_the_completions_endpoint_needs_one_of_the_two() -> None:
    with FakeServer() as server, pytest.raises(TracegenError, match="option tokenizer"):
        ask(server, requests(1), endpoint="completions")


@pytest.mark.parametrize("vllm", [True, False])
@pytest.mark.parametrize("where", ["inline", "reasoning"])
def test_a_stream_that_breaks_is_gone_on_with_or_asked_anew(vllm: bool, where: str) -> None:
    broken = 0

    def once(body: dict[str, Any]) -> dict[str, Any]:
        nonlocal broken
        if body.get("stream") and body["seed"] == 0 and not broken:
            broken += 1
            return answer(body) | {"cut_after": 5}
        return answer(body)

    with FakeServer(once, vllm=vllm, reasoning=where) as server:
        completion = ask(server, requests(1, max_tokens=100), stream=True)["k0"]
        last = server.requests()[-1]
    from tracegen.format import split

    assert broken == 1
    parts = split(completion.text, reasoning=completion.reasoning, finish_reason=completion.finish_reason)
    assert parts == split(whole()["text"])
    assert ("prompt" in last) is vllm
    paid = whole()["completion_tokens"]
    assert completion.completion_tokens == (paid if vllm else paid + 5)
    assert completion.prefix_tokens == 0


def test_a_cut_through_a_character_does_not_double_the_text_where_a_stream_breaks_too() -> None:
    bodies: list[dict[str, Any]] = []

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        bodies.append(body)
        rest = "<think>\nso we go on and on</think>\n4".removeprefix(body.get("prefix", ""))
        return {"text": rest} | ({"cut_after": 3} if len(bodies) == 2 else {})

    with FakeServer(reply, vllm=True) as server:
        (rest,) = requests(1, max_tokens=100, prefix="<think>\nso we\ufffd", prefix_tokens=3)
        ask(server, requests(1), stream=True)
        text = ask(server, [rest], stream=True)["k0"].text
    assert len(bodies) == 3
    assert text == "<think>\nso we go on and on</think>\n4"


def test_all_streams_may_break_now_and_then() -> None:
    with FakeServer(vllm=True, faults=Faults(cuts=0.3, seed=3)) as server:
        completions = ask(server, requests(40, max_tokens=100), stream=True, max_retries=20)
    for number in range(40):
        assert completions[f"k{number}"].text == whole(number)["text"]
        assert completions[f"k{number}"].completion_tokens == whole(number)["completion_tokens"]


@pytest.mark.parametrize("stops", [False, True])
def test_what_a_broken_stream_has_brought_is_kept_for_a_later_launch(stops: bool) -> None:
    """Whether the request has used up its tries, or the server is gone for good and all stops."""
    sent = 0

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        nonlocal sent
        sent += 1
        if sent == 1:
            return answer(body) | {"cut_after": 5}
        return {"status": 503 if stops else 500, "message": "down"}

    (asked,) = requests(1, max_tokens=100)
    got: dict[str, Completion] = {}
    with FakeServer(reply, vllm=True) as server:
        options = {"max_retries": 5 if stops else 0, "patience": 1.0}
        pairs = openai([asked], model="fake", base_url=server.base_url, stream=True, **options)
        with pytest.raises(TracegenError, match="503 down") if stops else nullcontext():
            got.update((request.key, completion) for request, completion in pairs)
        left = got["k0"]
        assert left.error is None
        assert (left.finish_reason, left.max_tokens, left.completion_tokens) == ("length", 5, 5)
        assert whole()["text"].startswith(left.text)
        server.reply = answer
        (rest,) = requests(1, max_tokens=100, prefix=left.text, prefix_tokens=5)
        completion = ask(server, [rest])["k0"]
    assert completion.text == whole()["text"]
    assert 5 + (completion.completion_tokens or 0) == whole()["completion_tokens"]


def test_a_stream_that_outlasts_the_timeout_is_gone_on_with_piece_by_piece() -> None:
    with FakeServer(lambda body: answer(body) | {"pace": 0.1}, vllm=True) as server:
        completion = ask(server, requests(1, max_tokens=100), stream=True, timeout=0.7)["k0"]
        tries = len(server.requests())
    assert tries > 1
    assert completion.text == whole()["text"]
    assert completion.completion_tokens == whole()["completion_tokens"]
