import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tracegen.engines.hf import _Writer, hf
from tracegen.records import Completion, Request, TracegenError, UsageError

pytest.importorskip("torch")
pytest.importorskip("transformers")


def request(number: int, content: str = "", **sampling: Any) -> Request:
    messages = ({"role": "user", "content": content or "x" * (number + 1)},)
    return Request(f"k{number}", f"p{number}", "t", 0, messages, {"max_tokens": 5} | sampling)


def completions(model: str, asked: Iterable[Request | None], **options: Any) -> dict[str, Completion]:
    return {request.key: completion for request, completion in hf(asked, model=model, **options)}


def test_padding_does_not_change_a_greedy_completion(tiny_model: str) -> None:
    asked = [request(number, temperature=0.0) for number in (0, 30, 7)]
    assert completions(tiny_model, asked, batch_size=3, dtype="float32") == completions(
        tiny_model, asked, batch_size=1, dtype="float32"
    )


def test_the_same_seeds_give_the_same_completions_and_others_do_not(tiny_model: str) -> None:
    first, again, other = (
        completions(tiny_model, [request(number, seed=seed + number) for number in range(3)]) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_requests_that_sample_differently_do_not_share_a_batch(tiny_model: str) -> None:
    asked = [
        request(0, temperature=0.0),
        request(1, temperature=0.0, max_tokens=2),
        request(2, temperature=1.5, top_k=3),
    ]
    found = completions(tiny_model, asked)
    assert [found[r.key].completion_tokens for r in asked] == [5, 2, 5]
    assert found["k0"] == completions(tiny_model, asked[:1])["k0"]


def test_a_stop_string_ends_the_text_in_front_of_it(tiny_model: str) -> None:
    whole = completions(tiny_model, [request(0, temperature=0.0, max_tokens=40)])["k0"]
    assert whole.finish_reason == "length"
    letter = next(letter for letter in whole.text if letter.isascii())
    cut = completions(tiny_model, [request(0, temperature=0.0, max_tokens=40, stop=[letter])])["k0"]
    assert cut.text == whole.text[: whole.text.index(letter)]
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens is not None
    assert cut.completion_tokens < 40


def test_a_prompt_that_fills_the_context_is_an_error_of_its_own(tiny_model: str) -> None:
    found = completions(tiny_model, [request(0, "y" * 600), request(1)])
    assert found["k0"].text == ""
    assert "the context only 512" in (found["k0"].error or "")
    assert found["k1"].error is None


def test_without_max_tokens_the_context_is_the_limit(tiny_model: str) -> None:
    found = completions(tiny_model, [request(0, "y" * 480, max_tokens=None)])["k0"]
    assert (found.prompt_tokens or 0) + (found.completion_tokens or 0) <= 512


def test_an_answer_goes_on_behind_the_tag_that_the_template_writes(tiny_model: str, tmp_path: Path) -> None:
    thinking = tmp_path / "thinking"
    shutil.copytree(tiny_model, thinking)
    template = thinking / "chat_template.jinja"
    template.write_text(template.read_text().replace("assistant\n", "assistant\n<think>\n"))
    whole = completions(str(thinking), [request(0, temperature=0.0, max_tokens=12)])["k0"]
    half = completions(str(thinking), [request(0, temperature=0.0, max_tokens=6)])["k0"]
    cut = replace(request(0, temperature=0.0, max_tokens=12), prefix=half.text, prefix_tokens=6)
    gone_on = completions(str(thinking), [cut])["k0"]
    assert whole.text.startswith("<think>\n")
    assert gone_on.text == whole.text
    assert (gone_on.completion_tokens, gone_on.prefix_tokens) == (6, 6)


def test_a_request_that_fails_its_batch_is_set_aside(tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write, loads = _Writer.write, []

    def failing(writer: _Writer, batch: list[Any]) -> list[Completion]:
        if writer not in loads:
            loads.append(writer)
        if any(prompt.request.key == "k3" for prompt in batch):
            raise RuntimeError("out of memory")
        return write(writer, batch)

    monkeypatch.setattr(_Writer, "write", failing)
    found = completions(tiny_model, [request(number, temperature=0.0) for number in range(12)], batch_size=4)
    assert len(found) == 12
    assert [key for key, completion in found.items() if completion.error] == ["k3"]
    assert "transformers failed: RuntimeError: out of memory" in (found["k3"].error or "")
    # Two deaths among all, two of halves, one alone.
    assert len(loads) <= 6


@pytest.mark.parametrize(
    ("model", "options", "error", "says"),
    [
        ("/no/such/model", {}, TracegenError, "could not load /no/such/model"),
        (None, {"batch_size": 0}, UsageError, "at least 1"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(
    tiny_model: str, model: str | None, options: dict[str, Any], error: type[TracegenError], says: str
) -> None:
    with pytest.raises(error, match=says):
        completions(model or tiny_model, [request(0)], **options)
