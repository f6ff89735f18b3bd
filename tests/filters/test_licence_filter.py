"""What may be trained on and shared is kept; what nobody has said anything of is kept unless told otherwise."""

from typing import Any

import pytest

from tracegen.filters.licence import licence
from tracegen.records import Problem, Trace

LICENCES = {
    "free": "MIT License",
    "alike": "cc-by-sa-4.0",
    "fixed": "cc-by-nd-4.0",
    "money": "cc-by-nc-4.0",
    "silent": None,
}
PROBLEMS = {name: Problem(name, "?", source="s", licence=found) for name, found in LICENCES.items()}
TEACHERS: dict[str, dict[str, Any]] = {
    "open": {"licence": "apache-2.0", "may_train": True},
    "shut": {"licence": None, "may_train": False, "url": "https://terms.example"},
    "silent": {"licence": None, "may_train": "unknown"},
    "research": {"licence": "mrl", "may_train": True},
}


def decide(problem: str, teacher: str = "open", **options: Any) -> tuple[str | None, dict[str, Any]]:
    noted: dict[str, Any] = {}
    trace = Trace("k", problem, teacher, 0, (), "r", "a", "complete", "stop", 1)
    stream = licence(
        [trace],
        problems=PROBLEMS,
        teachers=TEACHERS,
        note=lambda about, evidence: noted.update(evidence),
        **options,
    )
    [(kept, reason)] = list(stream)
    assert kept is trace
    return reason, noted


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, {"free", "alike", "money", "silent"}),
        ({"allow": ["mit", "CC BY-ND 4.0"]}, {"free", "fixed", "silent"}),
        ({"under": "cc-by-sa-4.0"}, {"free", "alike", "silent"}),
        ({"under": "CC BY-NC-SA 4.0"}, {"free", "money", "silent"}),
        ({"under": "apache-2.0", "unknown": "drop"}, {"free"}),
    ],
)
def test_which_problems_are_kept(options: dict[str, Any], kept: set[str]) -> None:
    reasons = {name: decide(name, **options)[0] for name in PROBLEMS}
    assert {name for name, reason in reasons.items() if reason is None} == kept
    assert reasons["silent"] in (None, "licence_unknown")
    assert {reasons[name] for name in PROBLEMS if name not in kept and name != "silent"} == {"licence_not_allowed"}


def test_the_licence_that_did_not_fit_is_noted() -> None:
    assert decide("money", under="mit") == ("licence_not_allowed", {"licence": "cc-by-nc-4.0", "source": "s"})
    assert decide("silent", unknown="drop") == ("licence_unknown", {"source": "s"})


def test_a_teacher_that_forbids_it_is_dropped_whatever_the_problem() -> None:
    expected = ("terms_forbid", {"teacher": "shut", "url": "https://terms.example"})
    assert decide("free", "shut") == decide("free", "shut", allow=["mit"], unknown="keep") == expected


def test_a_teacher_of_whom_nothing_is_known() -> None:
    assert decide("free", "silent")[0] is None
    assert decide("free", "silent", unknown="drop") == ("terms_unknown", {"teacher": "silent"})
    assert decide("free", "not in the recipe any more", unknown="drop")[0] == "terms_unknown"


def test_a_teachers_words_may_have_a_licence_of_their_own() -> None:
    assert decide("free", "research", under="mit") == ("licence_not_allowed", {"licence": "mrl", "teacher": "research"})
    assert decide("free", "research", allow=["mit", "mrl"])[0] is None
