"""Tokens of what the student writes, in all and by part; the engine's count without a tokenizer."""

from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from tracegen.filters.length import TOGETHER, length
from tracegen.records import Trace, UsageError

TOKENIZER = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
TOKENIZER.pre_tokenizer = WhitespaceSplit()


def make(reasoning: str, response: str, tokens: int = 0, problem: str = "p") -> Trace:
    return Trace("k", problem, "t", 0, (), reasoning, response, "complete", "stop", tokens)


def reason(reasoning: str, response: str, tokens: int = 0, **options: Any) -> str | None:
    [(_, found)] = length([make(reasoning, response, tokens)], **options)
    return found


def test_bounds_are_inclusive() -> None:
    # <think> a b </think> c d e: seven tokens of a tokenizer that splits at white space.
    bounds = [(7, 7), (8, 9), (1, 6)]
    found = [reason("a b", "c d e", min_tokens=low, max_tokens=high, tokenizer=TOKENIZER) for low, high in bounds]
    assert found == [None, "too_short", "too_long"]


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        ({"min_reasoning": 2, "max_reasoning": 2, "min_response": 3, "max_response": 3}, None),
        ({"min_reasoning": 3}, "reasoning_too_short"),
        ({"max_reasoning": 1}, "reasoning_too_long"),
        ({"min_response": 4}, "response_too_short"),
        ({"max_response": 2}, "response_too_long"),
        ({"max_response": 2, "max_tokens": 6}, "too_long"),
        ({"max_response": 0}, "response_too_long"),
    ],
)
def test_each_part_has_bounds_of_its_own(bound: dict[str, int], expected: str | None) -> None:
    assert reason("a b", "c d e", tokenizer=TOKENIZER, **bound) == expected


def test_what_is_noted() -> None:
    noted: list[Any] = []
    list(length([make("a b", "c d e")], tokenizer=TOKENIZER, note=lambda _, said: noted.append(said), max_response=2))
    assert noted == [{"tokens": 7, "response": 3}]


def test_no_tags_where_there_is_no_reasoning() -> None:
    assert reason("", "c d e", min_tokens=3, max_tokens=3, tokenizer=TOKENIZER) is None


def test_traces_that_are_counted_together_keep_their_own_counts() -> None:
    traces = [make("", "word " * (n % 50 + 1), problem=str(n // (3 * TOGETHER))) for n in range(7 * TOGETHER)]
    found = [reason for _, reason in length(iter(traces), tokenizer=TOKENIZER, max_tokens=25)]
    assert found == ["too_long" if n % 50 + 1 > 25 else None for n in range(7 * TOGETHER)]


def test_half_a_surrogate_pair_is_counted() -> None:
    assert reason("\ud83d a", "\udc00", min_tokens=5, max_tokens=5, tokenizer=TOKENIZER) is None


def test_the_engines_count_without_a_tokenizer() -> None:
    assert reason("a b", "c", tokens=50, max_tokens=49) == "too_long"
    assert reason("a b", "c", tokens=50, max_tokens=50) is None


def test_without_a_tokenizer_no_part_can_be_counted() -> None:
    with pytest.raises(UsageError, match=r"the recipe has no student; set student\.model"):
        reason("a b", "c", tokens=50, max_reasoning=9)


@pytest.mark.parametrize("what", ["tokens", "reasoning", "response"])
def test_bounds_the_wrong_way_round(what: str) -> None:
    with pytest.raises(UsageError, match=f"max_{what} is 3, less than min_{what}, which is 4"):
        list(length([], **{f"min_{what}": 4, f"max_{what}": 3}))
