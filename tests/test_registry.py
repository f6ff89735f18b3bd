"""Names become functions; options are checked against their signatures."""

import pytest

from tracegen import registry
from tracegen.records import UsageError

SHELVES = ("source", "engine", "verifier", "filter", "benchmark")


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_name_of_a_shelf_loads_and_says_what_it_is(shelf):
    found = registry.names(shelf)
    assert found
    for name in found:
        assert registry.load(shelf, name).__name__ == name
        assert registry.summary(shelf, name)


@pytest.mark.parametrize(
    "name", ["no_such", "../length", "length.py", "tracegen.filters.length", "__init__", "_answer"]
)
def test_an_unknown_name_is_refused_with_what_is_allowed(name):
    with pytest.raises(UsageError, match=r"there is no filter .*length.*or your own as file.py:function"):
        registry.load("filter", name)


def test_an_unknown_option_is_refused_with_what_the_function_takes():
    with pytest.raises(UsageError, match=r"filter 'length' has no option 'max_token'; it takes .*max_tokens"):
        registry.bind("filter", "length", {"max_token": 3})


def test_a_reserved_parameter_cannot_be_set_by_a_recipe():
    with pytest.raises(UsageError, match="has no option 'tokenizer'"):
        registry.bind("filter", "length", {"tokenizer": 3})


def test_a_function_in_a_file_of_the_users_own(tmp_path):
    file = tmp_path / "my_filters.py"
    file.write_text("def short(traces, *, most, benchmarks):\n    return most, benchmarks\n")
    assert registry.bind("filter", f"{file}:short", {"most": 3}, benchmarks="B", problems="P")([]) == (3, "B")
    with pytest.raises(UsageError, match="needs the option 'most'"):
        registry.bind("filter", f"{file}:short")
    with pytest.raises(UsageError, match="has no function 'long'"):
        registry.load("filter", f"{file}:long")
    with pytest.raises(UsageError, match="there is no file"):
        registry.load("filter", "nowhere.py:short")
