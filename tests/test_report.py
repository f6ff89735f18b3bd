"""The report of a small run that is written here: what it says, and that nothing in it can run or be loaded."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tracegen import curated, evidence
from tracegen.records import Problem, Score, UsageError, Verdict
from tracegen.report import report
from tracegen.verdicts import gold_hash

ATTACK = "<script>alert('x')</script><img src=https://example.org/x.png onerror=alert(1)>"
COMMON: dict[str, Any] = {
    **{"teacher": "smol", "model": "m", "revision": None, "sampling": {}, "max_tokens": 64, "time": 0.0},
    **{"reasoning": None, "finish_reason": "stop", "prompt_tokens": 100, "error": None},
}
"""What all rows of the ledger here have in common."""
VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags, texts and attributes of a page; refuses tags that do not pair up."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.text += "" if tag in {"b", "code", "span"} else " "

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two problems, three samples each: three right, two wrong, one not judged, and a request that failed."""
    run = tmp_path / "rolls"
    problems = [Problem("p0", "What is 2 + 3?", "5", "math"), Problem("p1", "What is 4 + 4?", "8", "math")]
    write_lines(run / "problems.jsonl", map(asdict, problems))
    (run / "recipe.yaml").write_text("name: rolls\nteachers: {old: {model: m}}\n")
    (run / "recipe.2.yaml").write_text(
        "name: rolls\nteachers:\n  smol: {model: m, prices: {input: 1.0, output: 10.0}}\n"
    )
    rows, verdicts = [], []
    for i, outcome in enumerate(["right", "right", "wrong", "right", "wrong", "unverifiable"]):
        problem = problems[i // 3]
        text = f"<think>\nWe add. {ATTACK}\n</think>\n\nThe answer is {problem.answer}."
        rows.append(COMMON | {"key": f"k{i}", "problem_id": problem.id, "sample": i % 3, "text": text})
        rows[-1] |= {"completion_tokens": 10 * (i + 1), "seconds": i + 1.0, "started": 1000.0}
        rows[-1]["prompt"] = [{"role": "user", "content": problem.statement}]
        verdict = Verdict(outcome, reason=f"because_{outcome}", key=f"k{i}", verifier="math")  # type: ignore[arg-type]
        history = Verdict("wrong", reason="earlier_gold", key=f"k{i}")
        verdicts += [asdict(history) | {"gold": "other"}, asdict(verdict) | {"gold": gold_hash(problem)}]
    failed = {"key": "k9", "text": "", "error": "the server is gone", "completion_tokens": None, "started": 2000.0}
    rows.append(rows[0] | failed)
    write_lines(run / "traces" / "0001.jsonl", rows)
    write_lines(run / "verdicts" / "verdicts.jsonl", verdicts)
    trace = {"key": "k2", "problem_id": "p0", "prompt": rows[0]["prompt"], "tokens": 30, "reasoning": ATTACK}
    dropped = trace | {"response": "The answer is 6." * 1000, "filter": "correct", "reason": "judged_wrong"}
    write_lines(run / "dropped" / "correct.jsonl", [dropped])
    row = {"messages": [*rows[0]["prompt"], {"role": "assistant", "content": rows[0]["text"]}], "problem_id": "p0"}
    (run / "corpus" / "data" / "curated").mkdir(parents=True)
    table = pyarrow.Table.from_pylist([row | {"teacher": "smol", "tokens": 10}])
    pyarrow.parquet.write_table(table, run / "corpus" / "data" / "curated" / "train-00000-of-00001.parquet")
    funnel = [
        {"filter": "wellformed", "before": 6, "after": 6, "reasons": {}},
        {"filter": "correct", "before": 6, "after": 3, "reasons": {"judged_wrong": 2, "no_judgement": 1}},
    ]
    (run / "corpus" / "funnel.json").write_text(json.dumps({"rows": funnel, "traces": 6, "kept": 3}))
    steps = [{"step": step, "epoch": 1.0, "loss": 2.0 / step} for step in range(1, 9)]
    write_lines(run / "student" / "log.jsonl", [*steps, {"step": 9, "loss": float("nan")}, {"step": 9}])
    (run / "student" / "rows.json").write_text(json.dumps({"rows": 3, "dropped": {"too_long": 0}}))
    (run / "environment.json").write_text(json.dumps({"python": "3.11", "api_key": "very-secret"}))
    common = {"benchmark": "heldout", "model": "m", "problems": 40, "samples": 40, "tokens": 900, "seconds": 1.0}
    write_lines(
        run / "scores.jsonl",
        [
            asdict(Score(role=role, metric=metric, value=value, low=low, high=high, **common))  # type: ignore[arg-type]
            for role, metric, value, low, high in [
                ("teacher", "pass@1", 0.1, 0.05, 0.2),
                ("before", "pass@1", 0.025, 0.0, 0.1),
                ("after", "pass@1", 0.425, 0.3, 0.55),
                ("comparison", "after-before", 0.4, 0.25, 0.525),
                ("comparison", "retention", 4.25, 2.0, 9.5),
            ]
        ],
    )
    return run


def page_of(run: Path) -> Page:
    return Page(report(run).read_text(encoding="utf-8"))


def text_of(run: Path) -> str:
    return " ".join(page_of(run).text.split())


def test_the_funnel_adds_up_in_words(run: Path) -> None:
    text = text_of(run)
    assert "6 traces in = 3 kept + 3 dropped (wellformed 0 + correct 3)." in text
    assert "do not add up" not in text
    assert "judged_wrong" in text


@pytest.mark.parametrize("damage", [{"kept": 4}, {"traces": 7}])
def test_a_funnel_that_does_not_add_up_is_said_to(run: Path, damage: dict[str, int]) -> None:
    path = run / "corpus" / "funnel.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    assert "do not add up" in text_of(run)


def test_figures_come_from_the_rows(run: Path) -> None:
    text = text_of(run)
    assert "smol wrote 6 traces for 2 problems; 3 of them are the corpus." in text
    assert "42.5 % 95 % interval 30.0 to 55.0" in text
    assert "+40.0 pp 95 % interval +25.0 to +52.5" in text
    assert "right 3 50.0 % because_right 3" in text
    assert "unverifiable 1 16.7 % because_unverifiable 1" in text
    assert "earlier_gold" not in text
    # 7 requests of 100 tokens at 1 dollar a million, 210 tokens at 10 dollars a million; 6 + 1 seconds of two launches
    assert "60.0 % 700 210 7 30 1 $0.0028 303 $0.0009" in text
    assert "From 2 to 0.25 in 8 steps." in text
    assert "dropped.too_long 0" in text


def test_problems_kept_out_of_the_training_have_their_courses(run: Path) -> None:
    assert "Held-out" not in text_of(run)
    looks = [{"step": step, "loss": loss} for step, loss in ((2, 1.5), (4, 0.75), (6, 1.0))]
    write_lines(run / "student" / "held_out.jsonl", looks)
    text = text_of(run)
    assert "kept out of the training: from 1.5 to 1, at the lowest 0.75." in text
    assert "step 2: 1.5 loss; step 6: 1 loss" in text
    assert "Held-out problems solved" not in text, "nobody verified answers"
    asked = [look | {"solved": solved, "asked": 20} for look, solved in zip(looks, (3, 9, 8), strict=True)]
    write_lines(run / "student" / "held_out.jsonl", asked)
    text = text_of(run)
    assert "as the verifiers judge them: from 3 to 8 of 20, at the most 9." in text
    assert "step 2: 15 % solved; step 6: 40 % solved" in text
    assert sum(tag == "svg" for tag, _ in page_of(run).tags) == 9
    write_lines(run / "student" / "held_out.jsonl", asked[:1])
    assert "Held-out" not in text_of(run), "one point is no course"


def test_what_was_paid_when_and_which_teacher_was_right_how_often(run: Path, monkeypatch: Any) -> None:
    unit, paid = evidence.paid(run, {"smol": {"model": "m", "prices": {"input": 1.0, "output": 10.0}}})
    # The second launch begins where the first ended, after 6 seconds of work.
    assert (unit, paid[0], paid[-1]) == ("dollars", (0.0, 0.0), (7 / 60, pytest.approx(0.0028)))
    assert evidence.paid(run, {})[0] == "tokens"
    whole = evidence.paid(run, {})[1]
    monkeypatch.setattr(evidence, "POINTS", 1)
    assert evidence.paid(run, {})[1] == [*whole[::4], whole[-1]], "of many rows some are enough"
    assert len(whole) == 8
    text = text_of(run)
    assert "Cost over time" in text
    assert "Pass rate by teacher" not in text, "there is one"
    lines = (run / "traces" / "0001.jsonl").read_text(encoding="utf-8").splitlines()
    other = [json.loads(line) | {"teacher": "big"} for line in lines]
    write_lines(run / "traces" / "0001.jsonl", [json.loads(line) for line in lines[:3]] + other[3:])
    text = text_of(run)
    assert "Pass rate by teacher" in text
    assert "Tokens over time" in text, "the price of one is not known"


def test_the_benchmarks_looked_for_stand_with_what_was_found(run: Path) -> None:
    assert "Benchmarks looked for" not in text_of(run)
    leak = {"benchmark": "gsm8k", "problem": "gsm8k/7", "problem_id": "p1", "part": "reasoning", "rule": "run"}
    found = {
        "ngram": 13,
        "benchmarks": {"gsm8k": {"problems": 1319, "flagged": 2}, "heldout": {"problems": 160, "flagged": 0}},
        "unchecked": {"aime24": "the Hub cannot be reached", "mbpp": "no file", "amc23": "the Hub cannot be reached"},
        "examples": [leak | {"theirs": f"Ann has {ATTACK}", "ours": "Bea has"}, leak | {"part": "statement"}],
    }
    (run / "corpus" / "decontamination.json").write_text(json.dumps(found))
    text = text_of(run)
    assert "gsm8k 1,319 2 heldout 160 0" in text
    assert "Unchecked: mbpp : no file" in text
    assert "Unchecked: aime24, amc23 : the Hub cannot be reached" in text
    assert f"gsm8k gsm8k/7 in the reasoning of p1 · run the benchmark Ann has {ATTACK} the trace Bea has" in text
    assert "in the statement of p1" not in text, "a confidential benchmark's words are not shown"


def test_clusters_of_twins_are_counted_by_size(run: Path) -> None:
    assert "Clusters of twins" not in text_of(run)
    twins = ["a", "a", "b", "c", *["d"] * 30]
    rows = [{"detail": json.dumps({"kept": key, "similarity": 1.0})} for key in twins]
    rows += [{"detail": None}, {"detail": json.dumps({"kind": "e-mail"})}, {"detail": json.dumps({"kept": ["a", "b"]})}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), run / "dropped" / "reasons.parquet")
    found = curated.clusters(run)
    assert {size: count for size, count in found.items() if count} == {"2": 2, "3": 1, "20+": 1}
    assert "Clusters of twins" in text_of(run)


def test_it_says_what_steering_by_verdicts_has_saved(run: Path) -> None:
    assert "How samples were spent" not in text_of(run)
    (run / "recipe.3.yaml").write_text(
        "name: rolls\nschedule: {stop_after: 2}\nteachers: {smol: {model: m, sampling: {n: 8}}}\n"
    )
    text = text_of(run)
    # p0: three samples of 60 tokens together, p1: three of 150; at fixed n 8 · 20 + 8 · 50
    assert "smol 2 1 1 6 16 210 560 62.5 %" in text


def test_the_first_accepted_trace_stands_in_full_and_a_dropped_one_is_cut(run: Path) -> None:
    text = text_of(run)
    assert f"user What is 2 + 3? reasoning We add. {ATTACK} response The answer is 5." in text
    assert "correct: judged_wrong" in text
    assert "10,000 further characters are not shown here" in text


def test_nothing_runs_and_nothing_is_loaded(run: Path) -> None:
    source = report(run).read_text(encoding="utf-8")
    page = Page(source)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert "&lt;script&gt;" in source
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "href", "srcset", "action"}
            assert "://" not in (value or "") or (tag, name) == ("svg", "xmlns")
    assert not re.search(r"@import|url\(", source)


def test_verifiers_that_disagree_are_shown(run: Path) -> None:
    assert "math 6 6 0 3 2 1 0" in text_of(run)
    assert "both judged by" not in text_of(run)
    path = run / "verdicts" / "verdicts.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines() if '"gold": "other"' not in line]
    more = []
    for row, outcome in zip(rows, ["right", "wrong", "wrong", "right", "right", "right"], strict=True):
        second = {"verifier": "judge", "outcome": outcome, "reason": "agreed", "detail": f"2 {outcome} {ATTACK}"}
        more += [row | {"heard": 1}, row | second | {"heard": 2, "second_opinion": row["outcome"] != "unverifiable"}]
    write_lines(path, more)
    asked = COMMON | {"key": "a", "model": "m2", "completion_tokens": 20}
    write_lines(run / "asked" / "judge" / "0001.jsonl", [asked, asked | {"key": "b", "error": "gone"}])
    text = text_of(run)
    assert "math 6 5 0 3 2 1 0" in text
    assert "judge 6 1 5 4 2 0 0" in text
    assert "math, judge 5 3 2 60.0 %" in text
    assert re.search(r"60\.0 % 23\.\d % to 88\.\d % 1 1", text)
    assert "math and judge disagree: 2 of 2" in text
    assert "right, because_right wrong, agreed: 2 wrong <script>" in text
    assert "judge asked m2 2 times, for 240 tokens." in text


def test_secrets_stay_out(run: Path) -> None:
    assert "very-secret" not in report(run).read_text(encoding="utf-8")


def test_it_is_made_for_phones_and_dark_mode_and_small(run: Path) -> None:
    path = report(run)
    source = path.read_text(encoding="utf-8")
    page = Page(source)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags
    assert "prefers-color-scheme: dark" in source
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(plots) == 7
    assert all(attributes["aria-label"] and attributes["role"] == "img" for attributes in plots)
    assert path.stat().st_size < 100_000


def test_a_huge_trace_keeps_the_page_under_two_megabytes(run: Path) -> None:
    path = next((run / "corpus" / "data" / "curated").glob("*.parquet"))
    (row,) = pyarrow.parquet.read_table(path).to_pylist()
    row["messages"][-1]["content"] = f"<think>\n{'<&' * 1_000_000}\n</think>\n\nThe answer is 5."
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    assert "1,800,000 further characters" in text_of(run)
    assert report(run).stat().st_size < 2_000_000


def test_it_says_which_stage_makes_what_is_missing(run: Path, tmp_path: Path) -> None:
    for part, stage in {
        "scores.jsonl": "evaluate",
        "student/log.jsonl": "train",
        "corpus/funnel.json": "curate",
    }.items():
        assert f"tracegen {stage} " not in text_of(run)
        (run / part).unlink()
        assert f"tracegen {stage} {run} is the stage that makes this part." in text_of(run)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    text = text_of(fresh)
    assert "Nothing has been sampled yet." in text
    assert f"tracegen generate {fresh}" in text


def test_a_torn_last_line_is_passed_over_and_other_damage_named(run: Path) -> None:
    path = run / "scores.jsonl"
    path.write_text(path.read_text() + '{"benchmark": "hel')
    assert "42.5 %" in text_of(run)
    path.write_text("{}}\n")
    with pytest.raises(UsageError, match=r"scores\.jsonl, line 1 is damaged"):
        report(run)


def test_what_is_not_seen_is_shown(run: Path) -> None:
    path = run / "dropped" / "correct.jsonl"
    path.write_text(
        path.read_text().replace("The answer is 6.", "\\u202e6\\u0000\\u200b \\ud83d\\udc69\\u200d\\ud83d\\udcbb", 1)
    )
    source = report(run).read_text(encoding="utf-8")
    assert "[U+202E]6[U+0000][U+200B] \U0001f469\u200d\U0001f4bb" in source
    assert "\u202e" not in source


def test_a_long_prompt_is_folded(run: Path) -> None:
    path = run / "dropped" / "correct.jsonl"
    row = json.loads(path.read_text())
    shots = [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")]
    write_lines(path, [row | {"prompt": [*shots, *row["prompt"]]}])
    text = text_of(run)
    assert "6 messages before this one" in text
    assert text.count("assistant 2") == 1
    assert text.index("assistant 2") < text.rindex("What is 2 + 3?")


def test_half_a_surrogate_pair_is_no_obstacle(run: Path) -> None:
    path = run / "dropped" / "correct.jsonl"
    path.write_text(path.read_text().replace("The answer is 6.", "\\ud83d", 1))
    assert "reasoning" in text_of(run)


def test_the_same_files_make_the_same_page(run: Path) -> None:
    assert report(run).read_bytes() == report(run).read_bytes()
