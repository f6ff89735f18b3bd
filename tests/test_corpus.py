"""The corpus on disk: rows that load as chats, a card that nothing in it can break, and no secrets."""

import json
import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import yaml
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from tracegen import prompts
from tracegen.bill import Spent
from tracegen.corpus import CURATED, CorpusWriter, shards_of
from tracegen.format import join
from tracegen.markdown import cell, fenced
from tracegen.records import Message, Problem, Trace, Verdict
from tracegen.redact import safe_recipe

GOLDEN = Path(__file__).with_name("golden") / "corpus_card.md"
DATA_FILE = "data/curated/train-00000-of-00001.parquet"
FILES = [
    "README.md",
    "croissant.json",
    *(f"data/{config}/train-00000-of-00001.parquet" for config in ("all", "curated", "problems")),
    "decontamination.json",
    "funnel.json",
    "prompts/math.yaml",
    "prompts/math_fewshot.yaml",
    "recipe.yaml",
]
RECIPE = "name: small  # a comment\nteachers: {smol: {options: {api_key_env: SOME_KEY}, sampling: {max_tokens: 64}}}\n"


DECONTAMINATION = {
    "ngram": 13,
    "benchmarks": {"heldout": {"problems": 160, "flagged": 0}},
    "rules": {},
    "unchecked": {"far": "it could not be loaded."},
    "examples": [],
}


def student_messages(problem: Problem) -> list[Message]:
    return [{"role": "user", "content": problem.statement}]


def trace(problem_id: str, sample: int, reasoning: str, response: str, verdict: Verdict | None) -> Trace:
    return Trace(
        key=f"{problem_id}-{sample}",
        problem_id=problem_id,
        teacher="smol",
        sample=sample,
        prompt=({"role": "user", "content": "shots, and then the problem"},),
        reasoning=reasoning,
        response=response,
        status="complete",
        finish_reason="stop",
        tokens=10 + sample,
        verdict=verdict,
    )


def corpus(folder: Path, **changes: Any) -> Path:
    """Two problems, three traces, one teacher; `changes` replace arguments."""
    right = Verdict("right", answer="5", reason="equal", verifier="math", version="1")
    arguments: dict[str, Any] = {
        "traces": [
            trace("add-1", 0, "2 and 3 make 5.", "The answer is \\boxed{5}.", right),
            trace("add-1", 3, "2 + 3 = 5", "\\boxed{5}", right),
            trace("pipe-2", 1, "```python\nprint(1)\n```\n````", "| a | b |\n---\n# 5", right),
        ],
        "problems": {
            "add-1": Problem("add-1", "What is 2 + 3?", "5", source="sums", domain="arithmetic", licence="cc-by-4.0"),
            "pipe-2": Problem("pipe-2", "Count | the `pipes`.", "5", source="a|b `c`", domain="text"),
        },
        "teachers": {
            "smol": {
                "model": "embedded",
                "revision": "0123abc",
                "engine": "hf",
                "sampling": {"n": 4, "temperature": 0.8, "max_tokens": 64, "stop": ["|", "\n\n"]},
                "licence": "apache-2.0",
                "may_train": True,
                "prompt": "math_fewshot",
            }
        },
        "prompts": {
            "math": {"description": "Nothing but the problem.", "user": "{{ problem.statement }}"},
            "math_fewshot": {
                "system": "Think first.",
                "shots": [{"user": "1 + 1?", "assistant": "<think>\n2\n</think>\n\n```\n\\boxed{2}\n```"}],
                "user": "{{ problem.statement }}",
            },
        },
        "student_messages": student_messages,
        "gated": False,
        "funnel": {
            "rows": [
                {"filter": "length", "before": 8, "after": 6, "reasons": {"too_short": 2}},
                {"filter": "correct", "before": 6, "after": 3, "reasons": {"unverifiable": 1, "wrong": 2}},
            ],
            "traces": 8,
            "kept": 3,
        },
        "recipe": RECIPE,
        "recipe_hash": "f00d",
        "name": "small",
        "licence": "cc-by-4.0",
        "stats": {"tokens sampled in all": 12345},
        "spent": {"smol": Spent(requests=9, failed=1, input=900, output=450, seconds=3.0, usd=0.015)},
    }
    arguments |= changes
    traces, funnel, spent = (arguments.pop(name) for name in ("traces", "funnel", "spent"))
    dropped, found = arguments.pop("dropped", {}), arguments.pop("decontamination", DECONTAMINATION)
    withheld = arguments.pop("withheld", ())
    writer = CorpusWriter(folder, **arguments)
    for each in traces:
        filter, reason = dropped.get(each.key, (None, None))
        writer.add(each, filter=filter, reason=reason, withheld=each.key in withheld)
    if found:
        (folder / "decontamination.json").write_text(json.dumps(found))
    writer.close(funnel, spent=spent)
    return folder


def test_card_is_the_golden_one(tmp_path: Path) -> None:
    card = (corpus(tmp_path) / "README.md").read_text()
    # How large a Parquet file is depends on the version of the library.
    card = re.sub(r"(?<=num_bytes: |aset_size: |load_size: )\d+|[\d.]+(?=\s[kM]?B \|)", "(size)", card)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(card)
    assert card == GOLDEN.read_text()


def test_rows_hold_the_student_prompt_the_whole_answer_and_where_it_comes_from(tmp_path: Path) -> None:
    rows = parquet.read_table(corpus(tmp_path) / DATA_FILE).to_pylist()
    assert [list(row) for row in rows] == [list(CURATED)] * 3
    assert rows[0]["messages"] == [
        {"role": "user", "content": "What is 2 + 3?"},
        {"role": "assistant", "content": join("2 and 3 make 5.", "The answer is \\boxed{5}.")},
    ]
    assert json.loads(rows[0].pop("sampling")) == {"n": 4, "temperature": 0.8, "max_tokens": 64, "stop": ["|", "\n\n"]}
    assert {name: value for name, value in rows[0].items() if name != "messages"} == {
        "problem_id": "add-1",
        "source": "sums",
        "domain": "arithmetic",
        "licence": "cc-by-4.0",
        "answer": "5",
        "teacher": "smol",
        "model": "embedded",
        "revision": "0123abc",
        "engine": "hf",
        "teacher_licence": "apache-2.0",
        "may_train": True,
        "sample": 0,
        "key": "add-1-0",
        "tokens": 10,
        "forced": False,
        "verdict": "right",
        "verifier": "math",
        "verifier_version": "1",
        "verdict_answer": "5",
        "recipe_hash": "f00d",
    }


def test_all_holds_what_was_dropped_and_problems_count_it(tmp_path: Path) -> None:
    wrong = Verdict("wrong", answer="6", reason="different", verifier="math", version="1")
    traces = [
        trace("add-1", 0, "r", "a", Verdict("right", answer="5", reason="equal", verifier="math", version="1")),
        replace(trace("add-1", 1, "r", "b", wrong), status="truncated", finish_reason="length"),
        trace("add-1", 2, "r", "c", None),
        trace("add-1", 3, "me@here.org", "d", wrong),
    ]
    dropped = {"add-1-1": ("correct", "wrong"), "add-1-2": ("correct", "unjudged"), "add-1-3": ("pii", "email")}
    folder = corpus(tmp_path, traces=traces, dropped=dropped, gated=True, withheld=["add-1-3"])
    curated, everything, problems = (
        parquet.read_table(folder / "data" / config / "train-00000-of-00001.parquet").to_pylist()
        for config in ("curated", "all", "problems")
    )
    assert [row["key"] for row in curated] == ["add-1-0"]
    names = ("key", "filter", "reason", "verdict", "verdict_reason", "status", "finish_reason", "withheld")
    assert [tuple(row[name] for name in names) for row in everything] == [
        ("add-1-0", None, None, "right", "equal", "complete", "stop", False),
        ("add-1-1", "correct", "wrong", "wrong", "different", "truncated", "length", False),
        ("add-1-2", "correct", "unjudged", None, None, "complete", "stop", False),
        ("add-1-3", "pii", "email", "wrong", "different", "complete", "stop", True),
    ]
    assert "me@here.org" not in str(everything)
    counts = [{name: row[name] for name in ("traces", "judged", "right", "pass_rate", "kept")} for row in problems]
    assert [row["problem_id"] for row in problems] == ["add-1", "pipe-2"]
    assert counts == [
        {"traces": 4, "judged": 3, "right": 1, "pass_rate": 1 / 3, "kept": 1},
        {"traces": 0, "judged": 0, "right": 0, "pass_rate": None, "kept": 0},
    ]


def test_shards_hold_every_row_once_and_in_order(tmp_path: Path) -> None:
    traces = [trace("add-1", number, "r" * number, "a", None) for number in range(95)]
    folder = corpus(tmp_path, traces=traces, shard_bytes=1, group_rows=10)
    files = sorted((folder / "data" / "curated").iterdir())
    assert [file.name for file in files] == [f"train-{number:05}-of-00010.parquet" for number in range(10)]
    rows = [row["sample"] for file in files for row in parquet.read_table(file).to_pylist()]
    assert rows == list(range(95))


def test_what_is_published_of_a_prompt_is_a_prompt(tmp_path: Path) -> None:
    loaded = prompts.load(str(corpus(tmp_path) / "prompts" / "math_fewshot.yaml"))
    assert loaded.system == "Think first."
    assert loaded.shots[0][0] == "1 + 1?"


def test_load_dataset_reads_the_folder_by_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datasets import config, load_dataset

    monkeypatch.setattr(config, "HF_DATASETS_OFFLINE", True)
    folder = corpus(tmp_path / "corpus")
    # Without the card's configs, `load_dataset` would take this stray file for data as well.
    (folder / "data" / "stray.parquet").write_bytes((folder / DATA_FILE).read_bytes())
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert loaded["train"].num_rows == 3
    assert load_dataset(str(folder), "all", cache_dir=str(tmp_path / "cache"))["train"].num_rows == 3
    assert load_dataset(str(folder), "problems", cache_dir=str(tmp_path / "cache"))["train"].num_rows == 2
    assert loaded["train"][1]["messages"] == [
        {"role": "user", "content": "What is 2 + 3?"},
        {"role": "assistant", "content": "<think>\n2 + 3 = 5\n</think>\n\n\\boxed{5}"},
    ]


def test_front_matter_is_what_the_hub_expects(tmp_path: Path) -> None:
    data = DatasetCard.load(corpus(tmp_path, languages=["en", "de"]) / "README.md").data.to_dict()
    assert data["license"] == "cc-by-4.0"
    assert data["language"] == ["en", "de"]
    assert data["size_categories"] == ["n<1K"]
    assert data["configs"] == [
        {
            "config_name": config,
            "data_files": [{"split": "train", "path": f"data/{config}/train-*.parquet"}],
            **({"default": True} if config == "curated" else {}),
        }
        for config in ("curated", "all", "problems")
    ]


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", {"license": "mit"}),
        ("house-terms", {"license": "other", "license_name": "house-terms"}),
        (None, {"license": "unknown"}),
        ("Apache License 2.0", {"license": "apache-2.0"}),
    ],
)
def test_licence_is_one_that_the_hub_knows_or_other(
    tmp_path: Path, licence: str | None, expected: dict[str, str]
) -> None:
    data = DatasetCard.load(corpus(tmp_path, licence=licence) / "README.md").data.to_dict()
    assert {name: data[name] for name in ("license", "license_name") if name in data} == expected


def test_the_card_names_licences_in_conflict_and_what_the_teachers_ask(tmp_path: Path) -> None:
    teachers = {"smol": {"licence": "llama3.3", "duty": "call it Llama", "because": "read `there`", "prompt": "math"}}
    card = (corpus(tmp_path, licence="mit", teachers=teachers) / "README.md").read_text()
    assert "- **Licences in conflict**: `` corpus.licence is mit, and source 'sums' is cc-by-4.0, which may" in card
    assert "- No licence is known of ``source 'a|b `c`'``." in card
    assert "- `llama3.3`, the licence of teacher `smol`, asks: call it Llama." in card
    assert "; `` read `there` ``" in card


@pytest.mark.parametrize(
    ("fates", "withheld", "problem_withheld"),
    [
        ({"a": None, "b": ("correct", "wrong")}, [False, False], False),
        ({"a": None, "b": ("decontaminate", "gsm8k")}, [False, True], False),
        ({"a": ("decontaminate", "gsm8k"), "b": ("length", "too_long")}, [True, True], True),
        ({"a": ("licence", "terms_forbid"), "b": ("correct", "wrong")}, [True, False], False),
        ({}, [], True),
    ],
)
def test_what_is_withheld_stands_there_without_its_texts(
    tmp_path: Path, fates: dict[str, Any], withheld: list[bool], problem_withheld: bool
) -> None:
    problem = Problem("p", "secret?", "secret", verifier="code", tests=["secret"], entry_point="secret")
    verdict = Verdict("wrong", "secret", verifier="code", version="1")
    traces = [replace(trace("p", 0, "secret", "secret", verdict), key=key) for key in fates]
    dropped = {key: fate for key, fate in fates.items() if fate}
    held = [key for key, is_held in zip(fates, withheld, strict=True) if is_held]
    folder = corpus(tmp_path, problems={"p": problem}, traces=traces, dropped=dropped, gated=True, withheld=held)
    rows = parquet.read_table(shards_of(folder, "all")).to_pylist()
    assert [row["withheld"] for row in rows] == withheld
    assert ["secret" in str(row) for row in rows] == [not kept_back for kept_back in withheld]
    assert [(row["filter"], row["reason"]) for row in rows] == [fate or (None, None) for fate in fates.values()]
    (row,) = parquet.read_table(shards_of(folder, "problems")).to_pylist()
    assert (row["withheld"], "secret" in str(row)) == (problem_withheld, not problem_withheld)
    assert row["traces"] == len(fates)


def test_the_card_says_how_much_is_withheld_and_by_whom(tmp_path: Path) -> None:
    traces = [trace("add-1", number, "r", "a", None) for number in range(3)]
    lost = {"add-1-1": ("length", "too_long"), "add-1-2": ("decontaminate", "gsm8k")}
    funnel = {
        "rows": [
            {"filter": "length", "before": 3, "after": 2, "reasons": {"too_long": 1}},
            {"filter": "decontaminate", "before": 2, "after": 1, "reasons": {"gsm8k": 1}},
        ],
        "traces": 3,
        "kept": 1,
    }
    folder = corpus(tmp_path, traces=traces, dropped=lost, funnel=funnel, gated=True, withheld=lost)
    card = " ".join((folder / "README.md").read_text().split())
    assert "Of its 3 rows 2, and of 2 problems 1, stand there without their texts (`withheld`): `decontaminate`" in card


def test_licences_of_what_is_withheld_do_not_bind_the_corpus(tmp_path: Path) -> None:
    problems = {"a": Problem("a", "?", licence="mit"), "b": Problem("b", "?", licence="house")}
    traces = [trace(name, 0, "r", "a", None) for name in "ab"]
    lost = {"b-0": ("licence", "licence_not_allowed")}
    folder = corpus(tmp_path, problems=problems, traces=traces, dropped=lost, gated=True, withheld=lost, licence=None)
    assert DatasetCard.load(folder / "README.md").data.license == "mit"


def test_the_card_bills_whoever_asked_a_model(tmp_path: Path) -> None:
    spent = {
        "smol": Spent(requests=9, input=900, output=450, usd=1.0),
        "verifier:judge": Spent(requests=3, input=300, output=30, usd=0.5),
    }
    card = (corpus(tmp_path, spent=spent) / "README.md").read_text()
    assert "| `verifier:judge` | 3 | 0 | 300 | 30 | 0.50 |" in card
    assert "That is 560 tokens, and $0.5000, for each row of `curated`." in card


def test_licence_is_inherited_when_every_problem_carries_the_same(tmp_path: Path) -> None:
    problems = {name: Problem(name, "?", "5", licence="cc-by-4.0") for name in ("add-1", "pipe-2")}
    assert DatasetCard.load(corpus(tmp_path, licence=None, problems=problems) / "README.md").data.license == "cc-by-4.0"


def test_same_traces_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = corpus(tmp_path / "a"), corpus(tmp_path / "b")
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert [str(name) for name in names] == FILES
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_an_empty_corpus_keeps_its_schema(tmp_path: Path) -> None:
    full = parquet.read_schema(corpus(tmp_path / "full") / DATA_FILE)
    empty = parquet.read_table(corpus(tmp_path / "empty", traces=[]) / DATA_FILE)
    assert empty.num_rows == 0
    assert empty.schema == full
    assert "The corpus is empty." in (tmp_path / "empty" / "README.md").read_text()


def test_a_trace_without_verdict_is_a_row_without_verdict(tmp_path: Path) -> None:
    row = parquet.read_table(corpus(tmp_path, traces=[trace("add-1", 0, "r", "a", None)]) / DATA_FILE).to_pylist()[0]
    assert row["verdict"] is row["verifier"] is row["verdict_answer"] is None
    assert "No trace carries a verdict." in (tmp_path / "README.md").read_text()


def test_half_a_surrogate_pair_does_not_stop_the_corpus(tmp_path: Path) -> None:
    broken = trace("add-1", 0, "half \ud83d", "whole \U0001f600", None)
    row = parquet.read_table(corpus(tmp_path, traces=[broken]) / DATA_FILE).to_pylist()[0]
    assert row["messages"][-1]["content"] == "<think>\nhalf \ufffd\n</think>\n\nwhole \U0001f600"


def test_the_funnel_and_the_recipe_stand_beside_the_card(tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    assert json.loads((folder / "funnel.json").read_text())["rows"][1]["reasons"] == {"unverifiable": 1, "wrong": 2}
    assert (folder / "recipe.yaml").read_text() == RECIPE


HOSTILE = """```
# Not a heading
````markdown
---
license: stolen
---
<details><h1>neither</h1>
~~~
| no | table |
|---|---|
[link](https://example.org) ![image](x.png) {{ recipe }} {% raw %}
"""


def test_no_text_of_a_model_or_a_source_breaks_the_card(tmp_path: Path) -> None:
    def shape(card: str) -> list[list[str]]:
        """The kind of every token of the parsed card, and the text of the headings outside code."""
        tokens = MarkdownIt("commonmark").enable("table").parse(card)
        return [
            [
                token.type,
                *(c.content for c in token.children or [] if before.type == "heading_open" and c.type == "text"),
            ]
            for before, token in pairwise(tokens)
        ]

    def card(folder: Path, text: str) -> str:
        problems = {"p": Problem(text, text, text, source=text, domain=text, licence=text)}
        traces = [replace(trace("p", 0, text, text, Verdict("right", text, verifier=text, version=text)), teacher=text)]
        prompts = {"plain": {"system": text, "shots": [{"user": text, "assistant": text}], "user": text}}
        teachers = {text: {"model": text, "sampling": {"stop": [text]}, "prompt": "plain", "licence": text}}
        changes = {"problems": problems, "traces": traces, "prompts": prompts, "teachers": teachers, "name": "same"}
        return DatasetCard.load(corpus(folder, **changes) / "README.md").text

    assert shape(card(tmp_path / "hostile", HOSTILE)) == shape(card(tmp_path / "harmless", "harmless"))


SECRETS = {
    "teachers: {r1: {options: {api_key: qwertz-1, api_key_env: KEY}}}": "qwertz-1",
    "a: {hub_token: qwertz-2}": "qwertz-2",
    "a: {headers: {Authorization: Bearer qwertz-3}}": "qwertz-3",
    "a: {credentials: {user: me, code: qwertz-4}}": "qwertz-4",
    "a: {base_url: 'https://me:qwertz-5@example.org/v1'}": "qwertz-5",
    "a: 1  # hf_qwertzqwertzqwertzqwertz6": "hf_qwertzqwertzqwertzqwertz6",
    "a: [x, 'sk-qwertz-qwertz-qwertz-7']": "sk-qwertz-qwertz-qwertz-7",
}


@pytest.mark.parametrize(("recipe", "secret"), SECRETS.items())
def test_no_secret_of_the_recipe_is_written(tmp_path: Path, recipe: str, secret: str) -> None:
    folder = corpus(tmp_path, recipe=recipe)
    assert secret not in "".join(path.read_text() for path in folder.glob("*.*"))
    assert "(withheld)" in (folder / "recipe.yaml").read_text()
    assert isinstance(yaml.safe_load((folder / "recipe.yaml").read_text()), dict)


def test_harmless_names_are_kept() -> None:
    recipe = "{max_tokens: 9, api_key_env: KEY, eos_token: '<|im_end|>', tokenizer: x, api_key: null}\n"
    assert safe_recipe(recipe) == recipe


def test_secrets_of_a_teacher_are_withheld_in_rows_and_card(tmp_path: Path) -> None:
    teacher = {"smol": {"model": "m", "sampling": {"extra_headers": {"x-api-key": "qwertz-8"}}}}
    row = parquet.read_table(corpus(tmp_path, teachers=teacher) / DATA_FILE).to_pylist()[0]
    assert "qwertz-8" not in row["sampling"] + (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("text", ["plain", "```\ncode\n```", "~~~~\n`````x", "a\n---\nb"])
def test_a_fence_is_longer_than_any_fence_inside(text: str) -> None:
    opening, *inside, closing = fenced(text).split("\n")
    fence = opening.removesuffix("text")
    assert set(fence) == {"`"}
    assert closing == fence
    assert "\n".join(inside) == text
    assert fence not in text


@pytest.mark.parametrize(
    ("value", "markdown"),
    [("plain", "`plain`"), ("a|b\nc", "`a\\|b c`"), ("`x`", "`` `x` ``"), ("", ""), (3, "`3`")],
)
def test_a_value_stays_in_its_cell(value: object, markdown: str) -> None:
    assert cell(value) == markdown


def test_many_sources_are_summed_up_in_the_last_line(tmp_path: Path) -> None:
    problems = {f"p{i}": Problem(f"p{i}", "?", source=f"source-{i:02}") for i in range(30)}
    traces = [trace(name, 0, "r", "a", None) for name in problems]
    card = (corpus(tmp_path, problems=problems, traces=traces) / "README.md").read_text()
    assert "| `source-18` |" in card
    assert "source-19" not in card
    assert "| `11 others` | 11 | 11 | 110 |" in card
