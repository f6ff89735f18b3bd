"""The status decides, and is the reason; a control token in a part is one too."""

from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel

from tracegen.filters.wellformed import wellformed
from tracegen.records import Trace, UsageError

STATUSES = ("complete", "truncated", "no_reasoning", "malformed")
TRACES = [Trace(s, "p", "t", 0, (), "r", "a", s, "stop", 9) for s in STATUSES]


def test_only_complete_is_kept() -> None:
    assert [reason for _, reason in wellformed(TRACES)] == [None, "truncated", "no_reasoning", "malformed"]


def test_allow() -> None:
    allow = ("complete", "no_reasoning")
    assert [reason for _, reason in wellformed(TRACES, allow=allow)] == [None, "truncated", None, "malformed"]


@pytest.mark.parametrize("allow", ["complete", ["complet"]])
def test_a_status_that_does_not_exist(allow: list[str]) -> None:
    with pytest.raises(UsageError, match="it takes a list of complete, truncated, no_reasoning, malformed"):
        list(wellformed([], allow=allow))  # type: ignore[arg-type]


def special(reasoning: str, response: str, **options: Any) -> tuple[str | None, list[Any]]:
    noted: list[Any] = []
    trace = Trace("k", "p", "t", 0, (), reasoning, response, "complete", "stop", 9)
    [(_, reason)] = wellformed([trace], note=lambda _, said: noted.append(said), **options)
    return reason, noted


@pytest.mark.parametrize(
    "token",
    ["<|im_end|>", "<|endoftext|>", "<｜end▁of▁sentence｜>", "<|eot_id|>", "<|start|>", "<end_of_turn>", "[/INST]"],
)
def test_a_control_token_is_no_text(token: str) -> None:
    assert special(f"So it is 4.{token}", "4") == ("special_token", [{"token": token}])
    assert special("So it is 4.", f"4{token}\nWhat is 5?") == ("special_token", [{"token": token}])
    assert special(f"So it is 4.{token}", "4", special_tokens=True) == (None, [])


@pytest.mark.parametrize("text", ["|x| < |y|", "a <| b |> c", "<b>4</b>", "[INS]", "if a < b | c > d:"])
def test_what_only_looks_like_one(text: str) -> None:
    assert special(text, text) == (None, [])


def test_the_special_tokens_of_the_students_tokenizer() -> None:
    tokenizer = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
    tokenizer.add_special_tokens([AddedToken("</s>", special=True), AddedToken("<think>", special=True)])
    tokenizer.add_tokens(["apples"])
    assert special("4</s>", "4") == (None, [])
    assert special("4</s>", "4", tokenizer=tokenizer) == ("special_token", [{"token": "</s>"}])
    assert special("`<think>` is a tag; 4 apples", "4", tokenizer=tokenizer) == (None, [])
