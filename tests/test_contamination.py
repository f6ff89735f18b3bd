"""The report of decontamination, from the filter's drops to the gate of publishing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracegen import contamination
from tracegen.curate import curate
from tracegen.dropped import Dropped
from tracegen.fates import Fate
from tracegen.records import Problem, Trace, UsageError

ASKED = "A ferry takes 38 cars over the river and comes back with 17. How many cars more went over than came back?"
HIDDEN = "Which of the two dyes fades faster in the light of a mercury lamp, the one with a nitro group or the other?"
BENCHMARKS = {
    "boats": [Problem("boats-1", ASKED), Problem("boats-2", "How many oars do seven rowing boats for two have?")],
    "dyes": [Problem("dyes-1", HIDDEN, extra={"confidential": True})],
}


def curated(folder: Path, statements: list[str], recipe: dict[str, Any] | None = None, **unchecked: str) -> Path:
    """A corpus folder with the report on one trace of each statement, and on the reasoning of a last one."""
    corpus, dropped = folder / "corpus", folder / "dropped"
    for new in (corpus, dropped):
        new.mkdir(parents=True)
    problems = {f"p{n}": Problem(f"p{n}", text) for n, text in enumerate([*statements, "Something else entirely."])}
    traces = [
        Trace(f"k{n}", f"p{n}", "t", 0, (), "I think.", "So.", "complete", "stop", 9) for n in range(len(statements))
    ]
    last = Trace("k-last", f"p{len(statements)}", "t", 0, (), f"I recall: {ASKED}", "So.", "complete", "stop", 9)
    recipe = {"filters": {"decontaminate": {}}, "evaluate": {"benchmarks": {"boats": {}}}} | (recipe or {})
    filters = recipe["filters"]
    with Dropped(dropped, filters) as drops:

        def told(fate: Fate) -> None:
            if fate.drop:
                drops.add(fate.trace, fate.drop)

        curate(map(Fate, [*traces, last]), filters=filters, problems=problems, benchmarks=BENCHMARKS, told=told)
    (corpus / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    if "decontaminate" in filters:
        options = filters["decontaminate"]
        contamination.write(corpus, dropped, benchmarks=BENCHMARKS, unchecked=unchecked, options=options)
    return corpus


def report(corpus: Path) -> dict[str, Any]:
    return json.loads((corpus / "decontamination.json").read_text())


def test_the_report_counts_by_benchmark_and_shows_both_sides(tmp_path: Path) -> None:
    renamed = ASKED.replace("38", "41").replace("17", "19").replace("ferry", "raft")
    found = report(curated(tmp_path, [ASKED.upper(), renamed, "What is clean?"], gpqa="it is gated"))
    assert found["ngram"] == 13
    assert found["benchmarks"] == {"boats": {"problems": 2, "flagged": 3}, "dyes": {"problems": 1, "flagged": 0}}
    assert found["rules"] == {"alike": 1, "whole": 2}
    assert found["unchecked"] == {"gpqa": "it is gated"}
    assert [(row["key"], row["part"], row["rule"]) for row in found["examples"]] == [
        ("k0", "statement", "whole"),
        ("k1", "statement", "alike"),
        ("k-last", "reasoning", "whole"),
    ]
    assert [row["theirs"] for row in found["examples"]][::2] == [ASKED, ASKED]
    assert [row["ours"] for row in found["examples"]][::2] == [ASKED.upper(), ASKED]
    assert {row["problem"] for row in found["examples"]} == {"boats-1"}


def test_a_confidential_question_is_not_quoted(tmp_path: Path) -> None:
    corpus = curated(tmp_path, [HIDDEN])
    [example] = [row for row in report(corpus)["examples"] if row["benchmark"] == "dyes"]
    assert (example["problem"], example["start"], example["end"]) == ("dyes-1", 0, len(HIDDEN))
    assert not {"theirs", "ours"} & set(example)
    assert "mercury" not in (corpus / "decontamination.json").read_text()


def test_examples_are_few_and_of_different_problems(tmp_path: Path) -> None:
    examples = report(curated(tmp_path, [ASKED] * 40))["examples"]
    assert len({row["problem_id"] for row in examples}) == len(examples) == contamination.EXAMPLES


def test_a_corpus_that_was_checked_is_clean(tmp_path: Path) -> None:
    corpus = curated(tmp_path, [ASKED], olympiad="out of reach")
    assert contamination.clean(corpus) is None
    assert contamination.clean(corpus, ["boats"]) is None


@pytest.mark.parametrize(
    ("recipe", "now", "why"),
    [
        ({"filters": {"dedup": {}}}, [], "was not decontaminated"),
        (
            {"evaluate": {"benchmarks": {"boats": {}, "gpqa": {}}}},
            [],
            "not checked against gpqa, which the recipe names",
        ),
        ({"filters": {"decontaminate": {"against": ["gsm8k"]}}}, [], "not checked against gsm8k"),
        ({}, ["boats", "aime24"], "made before the recipe named aime24"),
    ],
)
def test_why_a_corpus_may_not_be_published(tmp_path: Path, recipe: Any, now: list[str], why: str) -> None:
    sentence = contamination.clean(curated(tmp_path, [ASKED], recipe), now)
    assert sentence is not None
    assert why in sentence
    assert sentence.endswith(".")


def test_a_corpus_that_was_compared_with_nothing_is_not_clean(tmp_path: Path) -> None:
    corpus = curated(tmp_path, [ASKED], {"filters": {"decontaminate": {"against": "recipe"}}, "evaluate": {}})
    contamination.write(corpus, tmp_path / "dropped", benchmarks={}, unchecked={}, options={"against": "recipe"})
    assert (contamination.clean(corpus) or "").startswith("the corpus was compared with no benchmark; ")


def test_a_damaged_report_is_said(tmp_path: Path) -> None:
    corpus = curated(tmp_path, [ASKED])
    (corpus / "decontamination.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        contamination.clean(corpus)


def test_the_sentence_about_it(tmp_path: Path) -> None:
    corpus, dropped = curated(tmp_path, [ASKED]), tmp_path / "dropped"
    said = contamination.write(corpus, dropped, benchmarks=BENCHMARKS, unchecked={"x": "?"}, options={"ngram": 12})
    assert said == "decontaminate: 2 traces hold a question of boats (2); looked for: boats, dyes; unchecked: x."
    assert report(corpus)["ngram"] == 12
