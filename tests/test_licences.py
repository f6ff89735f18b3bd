"""Which licences may stand together, and that nothing is guessed where nothing is said."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracegen.licences import ALIKE, FREE, NONCOMMERCIAL, derive, goes_into, named

KNOWN = [*FREE, *NONCOMMERCIAL, *ALIKE, "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "odbl", "gpl-2.0", "agpl-3.0", "house-terms"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("MIT License", "mit"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("apache 2", "apache-2.0"),
        ("CC BY-SA 4.0 International", "cc-by-sa-4.0"),
        ("CC0", "cc0-1.0"),
        ("GPLv3", "gpl-3.0"),
        ("GPL v2.0", "gpl-2.0"),
        ("bsd-3-clause", "bsd-3-clause"),
        ("ODC-By v1.0", "odc-by"),
        ("llama3.1", "llama3.1"),
        ("house terms", "house-terms"),
        ("my-vault-licence", "my-vault"),
        ("The MIT License (MIT)", "mit"),
        ("gpl-3.0-or-later", "gpl-3.0"),
        ("GNU Affero General Public License v3.0", "agpl-3.0"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "cc0-1.0"),
        ("Creative Commons Attribution 4.0 International Public License", "cc-by-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0", "cc-by-nc-nd-4.0"),
        ("Open Data Commons Attribution License", "odc-by"),
        ("unknown", None),
        ("Other", None),
        ("", None),
        (None, None),
    ],
)
def test_a_licence_is_spelt_as_the_hub_spells_it(written: str | None, name: str | None) -> None:
    assert named(written) == name
    assert named(name) == name


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["mit"], "mit"),
        (["mit", "apache-2.0"], "apache-2.0"),
        (["apache-2.0", "cc-by-4.0", "cc0-1.0"], "cc-by-4.0"),
        (["mit", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["cc-by-sa-3.0", "cc-by-sa-4.0"], "cc-by-sa-4.0"),
        (["cc-by-sa-4.0", "gpl-3.0"], "gpl-3.0"),
        (["cc-by-nc-3.0", "cc-by-nc-4.0", "mit"], "cc-by-nc-4.0"),
        (["cc-by-nc-4.0", "cc-by-nc-sa-4.0"], "cc-by-nc-sa-4.0"),
        (["house-terms", "mit"], "house-terms"),
    ],
)
def test_the_whole_carries_the_strictest_licence_whatever_the_order(parts: list[str], whole: str) -> None:
    for order in permutations(parts):
        found = derive((f"source {place}", licence) for place, licence in enumerate(order))
        assert (found.name, found.conflicts) == (whole, ())
    assert derive([("a", licence) for licence in parts], declared=whole).conflicts == ()


@pytest.mark.parametrize(
    "parts",
    [
        ["cc-by-sa-4.0", "cc-by-nc-4.0"],
        ["cc-by-sa-3.0", "gpl-3.0"],
        ["cc-by-sa-4.0", "odbl"],
        ["gpl-2.0", "gpl-3.0"],
        ["house-terms", "other-house"],
        ["cc-by-nc-sa-4.0", "cc-by-sa-4.0", "mit"],
    ],
)
def test_what_may_not_stand_together_is_named_with_its_licence(parts: list[str]) -> None:
    found = derive((f"source '{licence[-6:]}'", licence) for licence in parts)
    (conflict,) = found.conflicts
    assert found.name == "unknown"
    for licence in set(parts) - {"mit"}:
        assert f"source '{licence[-6:]}' ({licence})" in conflict
    assert "mit" not in conflict
    assert "filter `licence`" in conflict


def test_no_derivatives_is_a_conflict_by_itself() -> None:
    found = derive([("source 'a'", "cc-by-nd-4.0"), ("source 'b'", "mit")])
    assert [conflict.split(",")[0] for conflict in found.conflicts] == ["source 'a' is cc-by-nd-4.0"]
    assert derive([("source 'a'", "cc-by-nd-4.0")], declared="cc-by-nd-4.0").conflicts


def test_a_weaker_licence_than_the_strictest_part_is_a_conflict() -> None:
    parts = [("source 'a'", "cc-by-sa-4.0"), ("source 'b'", "mit"), ("source 'c'", None)]
    found = derive(parts, declared="MIT")
    assert found.conflicts == (
        "corpus.licence is mit, and source 'a' is cc-by-sa-4.0, which may not be shared under it; set "
        "corpus.licence=cc-by-sa-4.0, or leave it out with the filter `licence`",
    )
    stricter = derive(parts, declared="gpl-3.0")
    assert (stricter.name, stricter.conflicts, stricter.unknown) == ("gpl-3.0", (), ("source 'c'",))


def test_what_nobody_has_said_makes_the_whole_unknown_and_is_no_conflict() -> None:
    found = derive([("source 'a'", "mit"), *((f"source {n}", None) for n in range(9))])
    assert (found.name, found.conflicts, len(found.unknown)) == ("unknown", (), 9)
    assert found.why == "no licence is known of source 0, source 1, source 2, source 3, source 4 and 4 more"
    assert derive([]).name == "unknown"


@given(st.lists(st.sampled_from(KNOWN), min_size=1, max_size=6))
def test_everything_goes_into_what_is_derived(parts: list[str]) -> None:
    found = derive((f"source {place}", licence) for place, licence in enumerate(parts))
    if found.conflicts:
        assert found.name == "unknown"
        together = (whole for whole in KNOWN if all(goes_into(part, whole) for part in parts))
        assert not set(together) & set(parts)
    else:
        assert all(goes_into(part, found.name) for part in parts)
        assert derive([("a", part) for part in parts], declared=found.name).conflicts == ()


@pytest.mark.parametrize("written", ["cc-by-nd", "CC BY-NC-ND", "Creative Commons Attribution-NoDerivs 3.0 Unported"])
def test_what_may_not_be_changed_is_known_however_it_is_written(written: str) -> None:
    licence = named(written)
    assert licence is not None
    assert not goes_into(licence, licence)
    assert derive([("source 's'", written)]).conflicts
