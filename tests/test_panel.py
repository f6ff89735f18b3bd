"""Who is heard on a trace: the order, `only`, second opinions, and what decides."""

import json
from collections import deque
from typing import Any

import pytest

from tracegen import panel, recipe
from tracegen.records import Problem, UsageError, Verdict
from tracegen.rundir import fingerprint
from tracegen.verify import Judge, gold_trace


def heard(verifiers: dict[str, Any], outcomes: dict[str, str], key: str = "k") -> list[tuple[str, bool]]:
    """Who is heard, and whether as a second opinion, where each verifier says what `outcomes` holds for it."""
    waiting = deque(panel.seats(verifiers).values())
    verdicts: list[Verdict] = []
    found = []
    while (following := panel.next_seat(waiting, verdicts, key)) is not None:
        seat, second = following
        found.append((seat.name, second))
        verdicts.append(Verdict(outcomes[seat.name], second_opinion=second))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("verifiers", "first", "names"),
    [
        ({"math": {}, "exact": {}}, "right", ["math"]),
        ({"math": {}, "exact": {}}, "unverifiable", ["math", "exact"]),
        ({"math": {}, "exact": {}}, "error", ["math", "exact"]),
        ({"math": {}, "exact": {"only": "unverifiable"}}, "unverifiable", ["math", "exact"]),
        ({"math": {}, "exact": {"only": "unverifiable"}}, "error", ["math"]),
        ({"math": {}, "exact": {"only": ["unverifiable", "error"]}}, "error", ["math", "exact"]),
        ({"math": {}, "exact": {"only": "wrong"}}, "right", ["math"]),
        ({"math": {}, "exact": {"only": "wrong"}}, "wrong", ["math", "exact"]),
        ({"math": {}, "exact": {"only": []}}, "unverifiable", ["math"]),
        ({"math": {}, "exact": {"only": [], "second_opinion": 1}}, "unverifiable", ["math"]),
    ],
)
def test_who_is_heard(verifiers: dict[str, Any], first: str, names: list[str]) -> None:
    assert heard(verifiers, {"math": first, "exact": "right"}) == [(name, False) for name in names]


def test_second_opinions_are_heard_on_what_is_judged_and_never_count() -> None:
    verifiers = {"math": {}, "exact": {"second_opinion": 1.0}, "choice": {"only": "unverifiable"}}
    outcomes = {"math": "right", "exact": "wrong", "choice": "wrong"}
    assert heard(verifiers, outcomes) == [("math", False), ("exact", True)]
    assert heard(verifiers, outcomes | {"math": "unverifiable"}) == [("math", False), ("exact", False)]
    ours, theirs = Verdict("right", verifier="math"), Verdict("wrong", verifier="exact", second_opinion=True)
    assert panel.decide([ours, theirs]) is ours


def test_an_appeal_overrules() -> None:
    assert panel.decide([Verdict("wrong", key="rule"), Verdict("right", key="appeal")]) == Verdict(
        "right", key="appeal"
    )
    assert panel.decide([Verdict("wrong", key="rule"), Verdict("error")]) == Verdict("wrong", key="rule")


def test_the_share_of_second_opinions_is_drawn_by_the_key() -> None:
    seat = panel.seats({"math": {}, "exact": {"second_opinion": 0.1}})["exact"]
    chosen = {f"k{n}" for n in range(4000) if seat.chosen(f"k{n}")}
    assert 320 < len(chosen) < 480
    more = panel.seats({"math": {}, "exact": {"second_opinion": 0.3}})["exact"]
    assert chosen <= {f"k{n}" for n in range(4000) if more.chosen(f"k{n}")}
    other = panel.seats({"math": {}, "choice": {"second_opinion": 0.1}})["choice"]
    assert chosen != {f"k{n}" for n in range(4000) if other.chosen(f"k{n}")}


@pytest.mark.parametrize(
    ("verifiers", "sentence"),
    [
        ({"math": {}, "exact": {"only": "rong"}}, "verifier 'exact': only.0: input should be 'right'"),
        (
            {"math": {}, "exact": {"second_opinion": 2}},
            r"second_opinion: input should be less than or equal to 1 ",
        ),
        ({"math": {"only": "wrong"}}, "verifier 'math' is the first: no verdict comes before it"),
        ({"math": {}, "exact": {"onyl": "wrong"}}, "verifier 'exact' has no option 'onyl'; it takes ignore_case"),
        ({"math": {}, "exact": {"engine": "openai"}}, "verifier 'exact' has no option 'engine'"),
        ({"judge": {}}, "verifier 'judge': the field 'model' is missing"),
        ({"judge": {"model": "m", "sampling": {"n": 2}}}, "verifier 'judge': sampling.n stays 1"),
        ({"judge": {"model": "m", "sampling": {"heat": 2}}}, "sampling has no field 'heat'; it takes n, temperature"),
        ({"judge": {"model": "m", "repeats": 2}}, "at temperature 0 every one of its `repeats`"),
        ({"judge": {"model": "m", "repeat": 2}}, "has no option 'repeat'; it takes prompt, repeats, swap"),
        ({"judge": {"model": "m", "ask": 2}}, "has no option 'ask'"),
        ({"majority": {"min_share": 0}}, "verifier 'majority': min_share is 0; input should be greater than 0"),
        ({"majority": {"count": "all"}}, "verifier 'majority': count is 'all'"),
    ],
)
def test_a_wrong_entry_is_one_sentence(verifiers: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        panel.seats(verifiers)


def test_the_recipe_says_where_the_mistake_is(tmp_path: Any) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("name: r\nproblems: {source: jsonl}\nprompt: math\nteachers: {t: {model: m}}\n")
    with pytest.raises(UsageError, match=r"verifiers.judge.second_opinion: .* \(given: 7\)"):
        recipe.load(path, ["verifiers.judge.second_opinion=7"])
    found = recipe.load(path, ["verifiers={math: {units: strict}, exact: {only: unverifiable}, majority: }"])
    assert {name: entry.options for name, entry in found.verifiers.items()} == {
        "math": {"units": "strict"},
        "exact": {},
        "majority": {},
    }
    assert found.verifiers["exact"].only == ["unverifiable"]
    path.write_text(found.to_yaml())
    assert recipe.load(path) == found


def test_a_problems_own_verifier_decides_alone_but_second_opinions_are_heard() -> None:
    verifiers = {"math": {}, "exact": {"second_opinion": 1.0}, "choice": {}}
    own = Problem("p", "?", answer="0.5", verifier="math", conventions={"tolerance": 0.1})
    with Judge(verifiers, workers=1) as judge:
        first, second = judge.submit(own, gold_trace("k", r"\boxed{1/2}")).result()
    assert (first.verifier, first.outcome, first.second_opinion) == ("math", "right", False)
    assert (second.verifier, second.outcome, second.second_opinion) == ("exact", "wrong", True)
    assert (first.conventions, second.conventions) == ({"tolerance": 0.1}, {})


def test_a_convention_that_no_verifier_has_is_refused() -> None:
    with Judge({"math": {}, "exact": {}}) as judge, pytest.raises(UsageError, match="no option 'tolerence'"):
        judge.submit(Problem("p", "?", answer="1", conventions={"tolerence": 1}), gold_trace("k", "1"))


def test_the_fingerprint_covers_who_is_heard_and_what_a_model_is_asked(tmp_path: Any) -> None:
    def shape(**verifiers: Any) -> str:
        found = Judge(verifiers, asked=tmp_path).fingerprint()
        assert json.dumps(found)
        return fingerprint(found)

    assert shape(math={}, exact={}) == shape(math={}, exact={})
    different = {
        shape(math={}, exact={}),
        shape(exact={}, math={}),
        shape(math={}, exact={"only": "wrong"}),
        shape(math={}, exact={"second_opinion": 0.5}),
    }
    assert len(different) == 4
    (tmp_path / "mine.yaml").write_text("user: '{{ problem.statement }} {{ response }} VERDICT {{ mark }}: RIGHT'")
    model = {"engine": "openai", "model": "m", "options": {"base_url": "http://127.0.0.1:9/v1"}}
    plain = shape(judge=model)
    assert plain == shape(judge=model | {"options": {"base_url": "http://127.0.0.1:8/v1"}})
    assert plain == shape(judge=model | {"sampling": {"temperature": 0, "max_tokens": 99}})
    different = {
        plain,
        shape(judge=model | {"model": "n"}),
        shape(judge=model | {"sampling": {"temperature": 0.5}}),
        shape(judge=model | {"prompt": str(tmp_path / "mine.yaml")}),
        shape(judge=model | {"swap": False}),
    }
    assert len(different) == 5
