"""Tokens of what the student writes; the engine's count without a tokenizer."""

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from tracegen.filters.length import length
from tracegen.records import Trace, UsageError

TOKENIZER = Tokenizer(WordLevel({"?": 0}, unk_token="?"))
TOKENIZER.pre_tokenizer = WhitespaceSplit()


def reason(reasoning: str, response: str, tokens: int = 0, **options: object) -> str | None:
    trace = Trace("k", "p", "t", 0, (), reasoning, response, "complete", "stop", tokens)
    [(_, found)] = length([trace], **options)  # type: ignore[arg-type]
    return found


def test_bounds_are_inclusive() -> None:
    # <think> a b </think> c d e: seven tokens of a tokenizer that splits at white space.
    bounds = [(7, 7), (8, 9), (1, 6)]
    found = [reason("a b", "c d e", min_tokens=low, max_tokens=high, tokenizer=TOKENIZER) for low, high in bounds]
    assert found == [None, "too_short", "too_long"]


def test_no_tags_where_there_is_no_reasoning() -> None:
    assert reason("", "c d e", min_tokens=3, max_tokens=3, tokenizer=TOKENIZER) is None


def test_the_engines_count_without_a_tokenizer() -> None:
    assert reason("a b", "c", tokens=50, max_tokens=49) == "too_long"
    assert reason("a b", "c", tokens=50, max_tokens=50) is None


def test_bounds_the_wrong_way_round() -> None:
    with pytest.raises(UsageError, match="max_tokens is 3, less than min_tokens, which is 4"):
        list(length([], min_tokens=4, max_tokens=3))
