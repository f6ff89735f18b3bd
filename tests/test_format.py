"""The reasoning channel: a table of what servers and models send, and the round trip of everything representable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegen.format import Parts, join, prefilled, split

CASES = {
    "inline": ("<think>\nadd\n</think>\n\n4", ("add", "4", "complete")),
    "no white space": ("<think>add</think>4", ("add", "4", "complete")),
    "opening tag prefilled": ("add\n</think>\n\n4", ("add", "4", "complete")),
    "no block": ("4", ("", "4", "no_reasoning")),
    "blank block": ("<think>\n\n</think>\n\n4", ("", "4", "no_reasoning")),
    "only the closing tag": ("</think>4", ("", "4", "no_reasoning")),
    "nothing": (" \n", ("", "", "malformed")),
    "no answer": ("<think>add</think>\n", ("add", "", "malformed")),
    "unterminated": ("<think>\nadd", ("add", "", "malformed")),
    "two blocks": ("<think>a</think>b<think>c</think>d", ("", "<think>a</think>b<think>c</think>d", "malformed")),
    "text before": ("Sure! <think>a</think>4", ("", "Sure! <think>a</think>4", "malformed")),
    "closed twice": ("<think>a</think>b</think>4", ("", "<think>a</think>b</think>4", "malformed")),
    "opened twice": ("<think><think>a</think>4", ("", "<think><think>a</think>4", "malformed")),
    "wrong order": ("a</think>4<think>", ("", "a</think>4<think>", "malformed")),
    "tag in inline code": ("<think>write `</think>` last</think>4", ("write `</think>` last", "4", "complete")),
    "tag in a fence": ("<think>\n```\n</think>\n```\n</think>\n4", ("```\n</think>\n```", "4", "complete")),
    "tag in a tilde fence": ("<think>\n~~~x\n<think>\n~~~\nb</think>4", ("~~~x\n<think>\n~~~\nb", "4", "complete")),
    "longer fence": ("<think>\n````\n```\n</think>\n````\n</think>4", ("````\n```\n</think>\n````", "4", "complete")),
    "only tag is in code": ("<think>write `</think>` last", ("write `</think>` last", "", "malformed")),
    "only tag is in a fence": ("<think>a\n```\n</think>\n```", ("a\n```\n</think>\n```", "", "malformed")),
    "code in the answer": ("Use `<think>` and `</think>`.", ("", "Use `<think>` and `</think>`.", "no_reasoning")),
    "unclosed fence": ("<think>\n```py\nx = 1\n</think>\n4", ("```py\nx = 1", "4", "complete")),
    "unclosed backtick": ("<think>\na ` b\n</think>\n4", ("a ` b", "4", "complete")),
    "fence closed by the response": (
        "<think>```\nx\n</think>\n\n```py\ny\n```",
        ("```\nx", "```py\ny\n```", "complete"),
    ),
    "another tag": ("<thinking>a</thinking>4", ("", "<thinking>a</thinking>4", "no_reasoning")),
}


@pytest.mark.parametrize("name", CASES)
def test_table(name: str) -> None:
    text, expected = CASES[name]
    assert split(text) == expected


@pytest.mark.parametrize("name", CASES)
def test_a_cut_off_text_is_truncated_whatever_is_missing(name: str) -> None:
    text, (reasoning, response, _) = CASES[name]
    assert split(text, finish_reason="length") == (reasoning, response, "truncated")


@pytest.mark.parametrize(
    ("text", "channel", "expected"),
    [
        ("4", "add", ("add", "4", "complete")),
        ("4", " \n", ("", "4", "no_reasoning")),
        ("", "add", ("add", "", "malformed")),
        ("4", "<think>\nadd\n</think>", ("add", "4", "complete")),
        ("<think>\nadd\n</think>\n\n4", "add\n", ("add", "4", "complete")),
        ("</think>\n\n4", "add", ("add", "4", "complete")),
        ("<think></think>4", "add", ("add", "4", "complete")),
        ("<think>sub</think>4", "add", ("add", "<think>sub</think>4", "malformed")),
        ("4", "a</think>b", ("a</think>b", "4", "malformed")),
        ("<think>4", "add", ("add", "<think>4", "malformed")),
        ("Use `<think>`.", "a `</think>`", ("a `</think>`", "Use `<think>`.", "complete")),
    ],
)
def test_the_servers_own_channel(text: str, channel: str, expected: tuple[str, str, str]) -> None:
    assert split(text, reasoning=channel) == expected


def test_a_channel_that_is_cut_off_is_truncated() -> None:
    assert split("", reasoning="add", finish_reason="length") == ("add", "", "truncated")
    assert split("<think>\nadd", finish_reason="length") == ("add", "", "truncated")


@pytest.mark.parametrize("finish_reason", [None, "stop", "content_filter"])
def test_only_length_means_cut_off(finish_reason: str | None) -> None:
    assert split("<think>\nadd", finish_reason=finish_reason).status == "malformed"


def test_prefilled() -> None:
    assert prefilled("<|assistant|>\n<think>\n") == "<think>\n"
    assert prefilled("<|assistant|><think>") == "<think>"
    assert prefilled("<think>\n\n</think>\n\n") == ""
    assert prefilled("<think> is a tag") == ""
    assert split(prefilled("ask<think>\n") + "add\n</think>\n\n4") == ("add", "4", "complete")


words = st.text(st.characters(exclude_characters="`~<>", exclude_categories=["Cs"]), max_size=12)
tagged = st.lists(st.sampled_from(["<think>", "</think>", "\n</think>\n\n", "x", " ", "\n"]), max_size=5).map("".join)
fenced = st.builds(
    lambda mark, info, body: f"\n{mark}{info}\n{body}\n{mark}\n",
    st.sampled_from(["```", "````", "~~~"]),
    st.sampled_from(["", "python", " text"]),
    tagged,
)
one_line = tagged.map(lambda text: text.replace("\n", " "))
inline = st.builds(lambda ticks, body: f"{ticks} {body} {ticks}", st.sampled_from(["`", "``"]), one_line)
with_code = st.lists(words | fenced | inline, max_size=6).map(" ".join).map(str.strip).filter(bool)
without_tags = (
    st.lists(words | st.sampled_from(["`", "```", "\n```", "\n```py\n", "\n~~~\n", "<", "/think>"]), max_size=8)
    .map(lambda pieces: "".join(pieces).strip())
    .filter(lambda text: text and "<think>" not in text and "</think>" not in text)
)
pieces = ["<think>", "</think>", "\n</think>\n\n", "`", "\n```\n", "\n~~~"]
messy = st.lists(words | st.sampled_from(pieces), max_size=12)


@given(with_code, with_code)
def test_round_trip_with_tags_in_code(reasoning: str, response: str) -> None:
    assert split(join(reasoning, response)) == Parts(reasoning, response, "complete")


@given(without_tags, without_tags)
def test_round_trip_of_text_whose_code_may_stay_open(reasoning: str, response: str) -> None:
    assert split(join(reasoning, response)) == Parts(reasoning, response, "complete")


@given(messy.map("".join), st.none() | messy.map("".join))
def test_whatever_comes_what_is_complete_survives_the_join(text: str, channel: str | None) -> None:
    parts = split(text, reasoning=channel)
    if parts.status == "complete":
        assert split(join(parts.reasoning, parts.response)) == parts


@given(messy.map("".join), st.none() | messy.map("".join), st.sampled_from(["stop", "length"]))
def test_nothing_but_tags_and_white_space_is_lost(text: str, channel: str | None, finish_reason: str) -> None:
    parts = split(text, reasoning=channel, finish_reason=finish_reason)
    kept = _letters(parts.reasoning) + _letters(parts.response)
    assert kept in (_letters(channel or "") + _letters(text), _letters(text))


def _letters(text: str) -> str:
    return "".join(text.replace("<think>", "").replace("</think>", "").split())


@pytest.mark.parametrize(
    "piece",
    ["```py\n", "````\n```\n", "`", "` `` ", "<think>", "</think>\n\n", "```\n</think>\n\n", "<think>\n```\n~~~\n"],
)
def test_a_model_that_loops_costs_linear_time(piece: str) -> None:
    text = "<think>\n" + piece * (200_000 // len(piece))
    began = time.perf_counter()
    split(text)
    assert time.perf_counter() - began < 2
