"""What docs/filters.md shows holds: its table names every filter, reason and option; its programs and SQL work."""

import inspect
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from fake_server import FakeServer

from tracegen import asked_filters, curate, dropped, registry
from tracegen.fates import Drop
from tracegen.records import Problem, Trace
from tracegen.registry import bind, names

DOCS = Path(curate.__file__).parents[1] / "docs"
PAGE = (DOCS / "filters.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].split("`")[1]: cells
    for line in PAGE.splitlines()
    if line.startswith("| [`") and (cells := [cell.strip() for cell in line.strip("|").split("|")])
}
LOOKS_AT = {"trace": "a trace", "problem": "a problem", None: "the stream"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def make(number: int, reasoning: str, response: str) -> Trace:
    return Trace(f"k{number}", "p", "t", number, (), reasoning, response, "complete", "stop", 9)


def test_every_filter_has_a_row() -> None:
    assert sorted(ROWS) == names("filter")


@pytest.mark.parametrize("name", names("filter"))
def test_a_row_names_every_option(name: str) -> None:
    assert set(re.findall(r"`(\w+)`", ROWS[name][3])) == set(registry.options(registry.load("filter", name)))


@pytest.mark.parametrize("name", names("filter"))
def test_a_row_says_what_the_filter_looks_at(name: str) -> None:
    assert ROWS[name][4] == LOOKS_AT[registry.about("filter", name, "DECIDES")]


@pytest.mark.parametrize("name", [name for name in names("filter") if name != "decontaminate"])
def test_a_row_names_the_reasons_that_the_docstring_names(name: str) -> None:
    module = inspect.getmodule(registry.load("filter", name))
    assert module is not None
    said = (module.__doc__ or "").replace("`not_<by>`", "not_shortest not_median not_typical not_longest")
    assert [reason for reason in re.findall(r"`(\w+)`", ROWS[name][2]) if reason not in said] == []


def test_the_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / link).exists(), link


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_recipes_name_what_there_is(text: str) -> None:
    pytest.importorskip("lingua")
    pytest.importorskip("phonenumbers")
    curate.check_filters(yaml.safe_load(text)["filters"])


def test_a_filter_of_ones_own(tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "def shows_work(" in block]
    (tmp_path / "my_filters.py").write_text(code)
    name, noted = f"{tmp_path / 'my_filters.py'}:shows_work", []
    problems = {"p": Problem("p", "What is 3 + 4?")}
    function = bind("filter", name, {}, problems=problems, note=lambda _, said: noted.append(said))
    traces = [make(0, "3 + 4 is 7, so that is it.", "7"), make(1, "Hm, 7.", "7")]
    assert list(function(traces)) == [(traces[0], None), (traces[1], "no_work")]
    assert noted == [{"ratio": 0.43}]
    assert registry.about("filter", name, "DECIDES") == "trace"


def test_a_filter_of_ones_own_that_asks(tmp_path: Path) -> None:
    (code,) = [block for block in blocks("python") if "def kind(" in block]
    (tmp_path / "my_judges.py").write_text(code)

    def reply(body: dict[str, Any]) -> dict[str, Any]:
        asked = body["messages"][0]["content"]
        return {"status": 400} if "broken" in asked else {"text": "Yes." if "please" in asked else "no"}

    with FakeServer(reply) as server:
        options = {"base_url": server.base_url, "max_retries": 0}
        filters = {f"{tmp_path / 'my_judges.py'}:kind": {"engine": "openai", "model": "fake", "options": options}}
        lines = asked_filters.lines(filters, folder=tmp_path / "asked", seed=1)
        with asked_filters.asking(lines, lambda: None, again="") as asks:  # type: ignore[arg-type, return-value]
            ((name, entry),) = filters.items()
            function = curate.bind_filter(name, entry, ask=asks[name])
            found = [
                reason
                for _, reason in function([make(0, "", "Go, please."), make(1, "", "Go."), make(2, "", "broken")])
            ]
    assert found == [None, "unkind", "unanswered"]


def test_the_query_counts_drops(tmp_path: Path) -> None:
    with dropped.Dropped(tmp_path, ["length"]) as writer:
        for number in range(3):
            writer.add(make(number, "", "4"), Drop("length", "too_long", {"tokens": 9}))
    (query,) = blocks("sql")
    query = query.replace("runs/NAME/dropped", str(tmp_path))
    assert duckdb.sql(query).fetchall() == [("length", "too_long", "t", 3)]
