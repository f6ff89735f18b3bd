"""Problems on disk: a mapping like any other, in little memory."""

import json
import tracemalloc

import pytest

from tracegen.records import Problem
from tracegen.stored import Stored


def stored(*problems):
    found = Stored()
    for problem in problems:
        found.add(problem)
    return found


def test_it_is_a_mapping_in_the_order_of_adding():
    whole = Problem("b", "What\nis ½?", "0.5", "math", ["assert f"], "f", "s", "math", "mit", {"x": 1}, {"y": [1]})
    odd = Problem("a", "half a pair: \ud800")
    found = stored(whole, odd)
    assert list(found) == ["b", "a"]
    assert len(found) == 2
    assert found["b"] == whole
    assert found["a"] == odd
    assert list(found.values()) == [whole, odd]
    assert dict(found.items()) == {"b": whole, "a": odd}
    assert "c" not in found
    with pytest.raises(KeyError):
        found["c"]
    with pytest.raises(KeyError):
        found.add(Problem("a", "another"))


def test_what_is_added_after_a_look_is_found_and_saved(tmp_path):
    found = stored(Problem("a", "one"))
    assert found["a"].statement == "one"
    found.add(Problem("b", "two"))
    found.save(tmp_path / "problems.jsonl")
    found.add(Problem("c", "three"))
    assert [problem.statement for problem in found.values()] == ["one", "two", "three"]
    assert [json.loads(line)["id"] for line in (tmp_path / "problems.jsonl").read_text().splitlines()] == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["problems.jsonl"]


def test_problems_of_any_size_are_found_in_any_order():
    problems = [Problem(f"p{number}", f"{number} " * (1 + number**2 % 7919)) for number in range(500)]
    found = stored(*problems)
    assert found._heads[0] == 0
    assert 3 < len(found._heads) < 500
    for number in [499, 0, 17, *range(0, 500, 7), 499]:
        assert found[f"p{number}"] == problems[number]
    assert list(found.values()) == problems


def test_the_hash_tells_problems_apart():
    assert stored(Problem("a", "one")).fingerprint() == stored(Problem("a", "one")).fingerprint()
    assert stored(Problem("a", "one")).fingerprint() != stored(Problem("a", "two")).fingerprint()


def test_texts_stay_on_disk():
    tracemalloc.start()
    found = stored(*(Problem(f"p{number}", "x" * 10_000) for number in range(2_000)))
    assert sum(len(problem.statement) for problem in found.values()) == 20_000_000
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 2_000_000
