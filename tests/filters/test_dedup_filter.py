"""Of traces that say the same one is kept: equal, near-duplicate, or of a problem in other words."""

import sys
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen import embeddings
from tracegen.filters.dedup import dedup, sketch
from tracegen.records import MissingExtra, Problem, Trace, UsageError
from tracegen.registry import bind

PROBLEMS = {
    "a": Problem("a", "What is 3 + 4?"),
    "b": Problem("b", "what is  3 + 4?"),
    "c": Problem("c", "What is 3 - 4?"),
}
WORDS = [f"word{number}" for number in range(800)]
CHANCE = Random(6)
LONG = CHANCE.choices(WORDS, k=200)


def copy(share: float, words: list[str] = LONG) -> str:
    """The words with a share of them replaced, evenly spread."""
    every = round(1 / share) if share else len(words) + 1
    return " ".join(f"other{place}" if place % every == every - 1 else word for place, word in enumerate(words))


def traces(*rows: tuple[str, str, str]) -> list[Trace]:
    return [
        Trace(f"k{n}", problem, "t", n, (), reasoning, response, "complete", "stop", len(reasoning))
        for n, (problem, reasoning, response) in enumerate(rows)
    ]


def reasons(*rows: tuple[str, str, str], **options: Any) -> list[str | None]:
    return [reason for _, reason in dedup(traces(*rows), problems=PROBLEMS, **options)]


def noted(*rows: tuple[str, str, str], **options: Any) -> dict[str, dict[str, Any]]:
    notes: dict[str, dict[str, Any]] = {}
    list(
        dedup(
            traces(*rows), problems=PROBLEMS, note=lambda trace, what: notes.update({trace.key: dict(what)}), **options
        )
    )
    return notes


def test_case_white_space_and_compatibility_forms() -> None:
    rows = ("a", "Add them", "7"), ("a", "add\n  them ", "７"), ("b", "ADD THEM", "7"), ("a", "Add them", "8")
    assert reasons(*rows) == [None, "duplicate", "duplicate", None]
    assert noted(*rows) == {key: {"kept": "k0", "similarity": 1.0} for key in ("k1", "k2")}


def test_another_statement_is_another_trace() -> None:
    assert reasons(("a", "x", "7"), ("c", "x", "7")) == [None, None]


def test_the_border_between_reasoning_and_response_counts() -> None:
    assert reasons(("a", "x y", "z"), ("a", "x", "y z")) == [None, None]


def test_two_teachers_may_give_one_key() -> None:
    twice = traces(("a", "x", "7")) * 2
    assert [reason for _, reason in dedup(twice, problems=PROBLEMS)] == [None, "duplicate"]


def test_near_duplicates_only_where_asked_for() -> None:
    rows = [("a", copy(share), "7") for share in (0, 0.01, 0.04, 0.5)]
    assert reasons(*rows) == [None] * 4
    assert reasons(*rows, near=0.7) == [None, "near_duplicate", "near_duplicate", None]
    assert reasons(*rows, near=0.9) == [None, "near_duplicate", None, None]
    notes = noted(*rows, near=0.7)
    assert {note["kept"] for note in notes.values()} == {"k0"}
    assert notes["k1"]["similarity"] > 0.9 > notes["k2"]["similarity"] > 0.7


def test_across_problems_and_whatever_the_statement_is() -> None:
    assert reasons(("a", copy(0), "7"), ("c", copy(0.02), "-1"), near=0.7) == [None, "near_duplicate"]


def test_a_statement_in_common_makes_no_near_duplicates() -> None:
    long = {"a": Problem("a", copy(0))}
    rows = traces(*(("a", " ".join(CHANCE.choices(WORDS, k=30)), "7") for _ in range(2)))
    assert [reason for _, reason in dedup(rows, problems=long, near=0.7)] == [None, None]


def test_short_texts_are_compared_for_equality_only() -> None:
    rows = ("a", "", "The answer of the sum is 7."), ("c", "", "The answer of the sum is 7."), ("a", "", "The answer.")
    assert reasons(*rows, near=0.1) == [None, None, None]


def test_what_is_compared_is_an_option() -> None:
    other = copy(0, CHANCE.choices(WORDS, k=200))
    rows = ("a", copy(0), other), ("a", copy(0.02), copy(0.5)), ("a", copy(0.5), f"{other} so")
    assert reasons(*rows, near=0.7) == [None, None, None]
    assert reasons(*rows, near=0.7, of="reasoning") == [None, "near_duplicate", None]
    assert reasons(*rows, near=0.7, of="response") == [None, None, "near_duplicate"]
    assert reasons(("a", "x", "7"), ("a", "y", "7"), of="response") == [None, "duplicate"]


def test_statements_are_compared_between_problems_and_numbers_make_another() -> None:
    words = [f"word{number}" for number in "abcdefghijklmnopqrstuvwxyz"]
    statements = ["2 of 7", "2  OF 7", "2 from 7", "3 of 7"]
    problems = {str(n): Problem(str(n), f"{' '.join(words * 2)} {text}") for n, text in enumerate(statements)}
    rows = traces(*((str(n), f"reasoning {n} {m}", "5") for n in range(4) for m in range(2)))
    found = [reason for _, reason in dedup(rows, problems=problems, of="statement", near=0.7)]
    assert found == [None, None, "duplicate", "duplicate", "near_duplicate", "near_duplicate", None, None]


@pytest.mark.parametrize(("keep", "kept"), [("first", 0), ("shortest", 2), ("longest", 1)])
def test_which_trace_of_a_problem_is_kept(keep: str, kept: int) -> None:
    first, longest, shortest = copy(0.02), f"{copy(0)} and so on", copy(0)[:-30]
    found = reasons(("a", first, "7"), ("a", longest, "7"), ("a", shortest, "7"), ("c", first, ""), near=0.7, keep=keep)
    assert [place for place, reason in enumerate(found) if reason is None] == [kept]


def test_a_chain_of_small_differences_is_not_swallowed() -> None:
    chain = [" ".join([*(f"new{place}" for place in range(step)), *LONG[step:]]) for step in range(0, 200, 10)]
    found = reasons(*(("a", text, "7") for text in chain), near=0.7)
    assert found[0] is None
    assert 3 <= found.count(None) < len(chain)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([0, 0.02, 0.1, 0.3])), max_size=14)
)
@pytest.mark.parametrize("of", ["trace", "statement"])
def test_every_drop_has_a_kept_twin_and_sketches_change_nothing(of: Any, rows: list[tuple[str, int, float]]) -> None:
    texts = [CHANCE.choices(WORDS, k=60) for _ in range(4)]
    made = traces(*((problem, copy(share, texts[text]), "7") for problem, text, share in sorted(rows)))
    notes: dict[str, dict[str, Any]] = {}
    options: dict[str, Any] = {"problems": PROBLEMS, "near": 0.6, "of": of, "keep": "shortest"}
    found = list(dedup(made, **options, note=lambda trace, what: notes.update({trace.key: dict(what)})))
    kept = {trace.key for trace, reason in found if reason is None}
    for trace, reason in found:
        if reason is not None:
            assert notes[trace.key]["kept"] in kept
            assert notes[trace.key]["similarity"] >= 0.6
    sketches = list(sketch(made, **options))
    assert list(dedup(made, **options, sketches=iter(sketches))) == found


def test_sketches_can_be_made_in_parts() -> None:
    made = traces(*((problem, copy(share), "7") for problem in "abc" for share in (0, 0.02, 0.3)))
    options: dict[str, Any] = {"problems": PROBLEMS, "near": 0.7}
    parts = [mark for start in range(0, 9, 4) for mark in sketch(made[start : start + 4], **options)]
    assert parts == list(sketch(made, **options))
    assert {len(part) for part in parts} == {16 + 256}


@pytest.fixture
def meanings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In place of a model: a statement means the set of its letters. How many statements each batch had."""
    batches: list[int] = []

    def embed(texts: list[str]) -> Any:
        batches.append(len(texts))
        letters = np.array([[float(letter in text) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts])
        return letters / np.linalg.norm(letters, axis=1, keepdims=True)

    monkeypatch.setattr(embeddings, "check", lambda model: None)
    monkeypatch.setattr(embeddings, "embedder", lambda model: embed)
    return batches


def test_a_problem_in_other_words_is_dropped_with_all_its_traces(meanings: list[int]) -> None:
    problems = {
        "plain": Problem("plain", "add 3 cats and 4 dogs"),
        "turned": Problem("turned", "and dogs 4 cats 3 add"),
        "numbers": Problem("numbers", "add 5 cats and 4 dogs"),
        "else": Problem("else", "multiply 3 by 4"),
    }
    rows = traces(*((name, f"reasoning {name} {n}", "7") for name in problems for n in range(2)))
    notes: dict[str, Any] = {}
    found = dedup(rows, problems=problems, semantic="any", note=lambda t, what: notes.update({t.key: what}))
    assert [reason for _, reason in found] == [None, None, "same_problem", "same_problem", None, None, None, None]
    assert notes["k3"]["kept"] == "k0"
    assert notes["k3"]["similarity"] >= 0.99
    assert meanings == [4]


def test_an_embedding_model_that_is_not_there_is_found_without_a_trace() -> None:
    with pytest.raises(UsageError, match=r"there is no model folder \./nowhere"):
        reasons(semantic="./nowhere")


def test_the_embedding_model_takes_batches_and_nothing_runs_far_ahead(meanings: list[int]) -> None:
    problems = {str(n): Problem(str(n), f"statement {n}") for n in range(100)}
    pulled = []

    def stream() -> Iterator[Trace]:
        for trace in traces(*((str(n), f"r{n}", "7") for n in range(100))):
            pulled.append(trace.key)
            yield trace

    found = dedup(stream(), problems=problems, semantic="any")
    next(found)
    assert len(pulled) <= 34
    assert [reason for _, reason in found] == [None] * 99
    assert meanings == [32, 32, 32, 4]


def test_it_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tracegen.minhash", raising=False)
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingExtra, match=r"tracegen\[curate\]"):
        reasons(("a", "x", "7"), near=0.7)
    assert reasons(("a", "x", "7")) == [None]


@pytest.mark.parametrize("options", [{"near": 1.2}, {"near": 0}, {"keep": "best"}, {"of": "all"}, {"semantic_near": 2}])
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="filter 'dedup'"):
        bind("filter", "dedup", options, problems={})
