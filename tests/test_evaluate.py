"""Evaluation from the recipe on: prompts and repeats of a benchmark, maj@k, and benchmarks that cannot be loaded."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tracegen import cli
from tracegen.ledger import read

SUMS = [{"id": f"s{n}", "statement": f"What is {n} + 50?", "answer": str(n + 50)} for n in range(2)]
ANSWERS = {"s0": ["50", "50", "1/2", "0.5"], "s1": ["51", "7", "7.0", "x"]}
GSM8K = {"question": "Lea has 2 cards and gets 3. How many?", "answer": "2 + 3\n#### 5"}
GPQA = {"Record ID": "r", "Question": "Which?", "Correct Answer": "a", "High-level domain": "Physics"}
CALL = Callable[..., tuple[int, str, str]]


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def recorded(benchmark: str, problem: str, texts: list[str]) -> list[dict[str, Any]]:
    name = {"problem_id": f"{benchmark}/{problem}" if benchmark else problem}
    return [name | {"sample": n, "text": text, "finish_reason": "stop"} for n, text in enumerate(texts)]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CALL:
    """Writes a recipe whose teacher is recorded, changed by keyword below `evaluate`, and runs a verb on it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sums.jsonl").write_text(lines(SUMS))
    (tmp_path / "p.jsonl").write_text(lines([{"id": "p", "statement": "What is 1 + 1?", "answer": "2"}]))
    (tmp_path / "gsm8k").mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text(lines([GSM8K]))
    rows = [
        row for name, answers in ANSWERS.items() for row in recorded("sums", name, [f"\\boxed{{{a}}}" for a in answers])
    ]
    rows += recorded("gsm8k", "gsm8k-test-0", ["\\boxed{5}"])
    rows += recorded("", "p", ["<think>\none\n</think>\n\n\\boxed{2}"])
    (tmp_path / "r.jsonl").write_text(lines(rows))

    def run(verb: str, *more: str, **evaluate: Any) -> tuple[int, str, str]:
        recipe = {
            "name": "t",
            "problems": {"source": "jsonl", "path": "p.jsonl"},
            "prompt": "math",
            "teachers": {"t": {"engine": "replay", "model": "recorded", "options": {"path": "r.jsonl"}}},
            "benchmarks_dir": str(tmp_path),
            "filters": {"correct": {}, "decontaminate": {}},
            "evaluate": {
                "benchmarks": {"gsm8k": {}, "sums": {"benchmark": "jsonl", "path": "sums.jsonl", "n": 4}},
                "sampling": {"n": 1, "temperature": 0.7, "max_tokens": 8},
                "k": [1, 2, 4],
                **evaluate,
            },
        }
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(recipe))
        monkeypatch.setattr(sys, "argv", ["tracegen", verb, "t.yaml", "--run-dir", "run", *more])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return run


def figures() -> dict[tuple[str, str], dict[str, Any]]:
    rows = [json.loads(line) for line in Path("run/scores.jsonl").read_text().splitlines()]
    return {(row["benchmark"], row["metric"]): row for row in rows}


def test_a_benchmark_has_repeats_of_its_own_and_figures_at_the_k_that_they_reach(call: CALL) -> None:
    assert call("evaluate")[0] == 0
    found = figures()
    assert {metric for name, metric in found if name == "gsm8k"} == {"pass@1", "last_number@1", "truncated"}
    assert {metric for name, metric in found if name == "sums"} >= {"pass@1", "pass@2", "pass@4", "maj@2", "maj@4"}
    assert (found["gsm8k", "pass@1"]["value"], found["gsm8k", "pass@1"]["samples"]) == (1, 1)
    # Of s0, two samples are right and the other two agree with each other; of s1, two agree on a wrong answer.
    assert found["sums", "maj@4"]["value"] == pytest.approx((0.5 + 0) / 2)
    assert found["sums", "pass@4"]["value"] == 1
    asked = {row["problem_id"]: row for row in read(Path("run/eval/traces"))}
    assert set(asked) == {"gsm8k/gsm8k-test-0", "sums/s0", "sums/s1"}


def test_an_evaluation_that_lacks_answers_is_not_taken_for_done(call: CALL) -> None:
    lacking = {"sums": {"benchmark": "jsonl", "path": "sums.jsonl", "n": 5}}
    status, _, err = call("evaluate", benchmarks=lacking)
    assert status == 0
    assert "some samples have no answer or no final verdict" in " ".join(err.split())
    assert not Path("run/eval/stage.json").exists()
    assert call("evaluate")[0] == 0
    assert Path("run/eval/stage.json").exists()
    assert "evaluation: up to date" in " ".join(call("evaluate")[2].split())


def test_a_recipe_changes_the_conventions_of_a_benchmark(call: CALL, tmp_path: Path) -> None:
    loose = {"benchmark": "jsonl", "path": "sums.jsonl", "limit": 1, "conventions": {"tolerance": 0.05}}
    benchmarks = {"loose": loose, "sums": {"benchmark": "jsonl", "path": "sums.jsonl", "limit": 1}}
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write(lines(recorded("loose", "s0", ["\\boxed{51}"])))
    assert call("evaluate", benchmarks=benchmarks, k=[1])[0] == 0
    verdicts = [json.loads(line) for line in Path("run/eval/verdicts/verdicts.jsonl").read_text().splitlines()]
    assert {row["outcome"]: row["conventions"] for row in verdicts} == {"right": {"tolerance": 0.05}, "wrong": {}}
    assert (figures()["loose", "pass@1"]["value"], figures()["sums", "pass@1"]["value"]) == (1, 0)


def test_a_benchmark_is_asked_with_its_own_prompt_or_the_recipes_for_it(call: CALL, tmp_path: Path) -> None:
    (tmp_path / "humaneval").mkdir()
    row = {"task_id": "HumanEval/0", "prompt": "def f():\n", "canonical_solution": "    return 1\n"}
    row |= {"test": "def check(candidate):\n    assert candidate() == 1\n", "entry_point": "f"}
    (tmp_path / "humaneval" / "HumanEval.jsonl").write_text(lines([row]))
    with (tmp_path / "r.jsonl").open("a") as file:
        file.write(lines(recorded("humaneval", "HumanEval/0", ["no code"])))
    benchmarks = {"humaneval": {}, "gsm8k": {"prompt": "boxed"}, "sums": {"benchmark": "jsonl", "path": "sums.jsonl"}}
    assert call("evaluate", benchmarks=benchmarks, k=[1])[0] == 0
    asked = {row["problem_id"]: row["prompt"][-1]["content"] for row in read(Path("run/eval/traces"))}
    assert "Write the whole code in Python" in asked["humaneval/HumanEval/0"]
    assert {metric for name, metric in figures() if name == "humaneval"} == {"pass@1", "truncated"}
    assert asked["gsm8k/gsm8k-test-0"].startswith(GSM8K["question"])
    assert "\\boxed{}" in asked["gsm8k/gsm8k-test-0"]
    assert asked["sums/s0"] == SUMS[0]["statement"]


def test_a_benchmark_that_cannot_be_loaded_is_unchecked_and_the_run_goes_on(call: CALL, tmp_path: Path) -> None:
    benchmarks = {"gpqa_diamond": {}, "gsm8k": {}}
    status, out, err = call("run", "--json", benchmarks=benchmarks, k=[1])
    assert status == 0
    sentence = "benchmarks_dir has no gpqa_diamond/*.jsonl; put it there"
    assert f"benchmark 'gpqa_diamond' is left unchecked: {sentence}" in " ".join(err.split())
    assert sentence in json.loads(out)["unchecked"]["gpqa_diamond"]
    assert [row["metric"] for row in json.loads(out)["scores"]] == ["pass@1", "last_number@1", "truncated"]
    assert {benchmark for benchmark, _ in figures()} == {"gsm8k"}
    assert json.loads(Path("run/environment.json").read_text())["unchecked"].keys() == {"gpqa_diamond"}
    page = Path("run/report.html").read_text()
    assert "<strong>gpqa_diamond is unchecked</strong>" in page
    unchecked = json.loads(Path("run/corpus/decontamination.json").read_text())["unchecked"]
    assert sentence in unchecked["gpqa_diamond"]
    assert "gpqa_diamond" in Path("run/corpus/README.md").read_text()
    status, _, err = call("publish", "--repo", "someone/sums", benchmarks=benchmarks, k=[1])
    assert status == 2
    assert "not checked against gpqa_diamond" in err
    choices = {f"Incorrect Answer {n}": str(n) for n in (1, 2, 3)}
    (tmp_path / "gpqa_diamond").mkdir()
    (tmp_path / "gpqa_diamond" / "test.jsonl").write_text(lines([GPQA | choices]))
    assert call("curate", benchmarks=benchmarks, k=[1])[0] == 0
    assert "unchecked" not in json.loads(Path("run/corpus/funnel.json").read_text())
    report = json.loads(Path("run/corpus/decontamination.json").read_text())
    assert "gpqa_diamond" in report["benchmarks"]
    assert "gpqa_diamond" not in report["unchecked"]
    status, _, err = call("publish", "--repo", "someone/sums", benchmarks={**benchmarks, "aime24": {}}, k=[1])
    assert (status, "was made before the recipe named aime24" in err) == (2, True)


def test_a_run_without_any_benchmark_that_loads_has_no_scores(call: CALL) -> None:
    status, _, err = call("evaluate", benchmarks={"aime24": {}, "amc23": {}}, k=[1])
    assert status == 0
    assert "none of the recipe's benchmarks could be loaded" in err
    assert not Path("run/scores.jsonl").exists()


MISTAKES = {
    "no such benchmark": ({"benchmarks": {"sums": {}}}, "there is no benchmark 'sums'"),
    "no such benchmark behind a name": (
        {"benchmarks": {"sums": {"benchmark": "json"}}},
        "there is no benchmark 'json'",
    ),
    "an unknown option": ({"benchmarks": {"gsm8k": {"m": 4}}}, "benchmark 'gsm8k' has no option 'm'; it takes limit"),
    "a bad repeat": ({"benchmarks": {"gsm8k": {"n": 0}}}, "evaluate.benchmarks.gsm8k: n: input should be greater"),
    "an unknown prompt": ({"benchmarks": {"gsm8k": {"prompt": "x"}}}, "there is no prompt 'x'"),
    "a convention that the verifier has not": (
        {"benchmarks": {"gsm8k": {"conventions": {"compare": "float"}}}},
        "evaluate.benchmarks.gsm8k: verifier 'math' has no option 'compare'; it takes tolerance",
    ),
    "a convention that has no such value": (
        {"benchmarks": {"gsm8k": {"conventions": {"percent": "never"}}}},
        "evaluate.benchmarks.gsm8k: verifier 'math': percent is 'never'; input should be 'both'",
    ),
    "no k": ({"k": []}, "evaluate.k: list should have at least 1 item"),
    "k below one": ({"k": [0]}, "evaluate.k.0: input should be greater than or equal to 1 (given: 0)"),
    "k beyond every n": ({"k": [8]}, "evaluate.k asks for pass@8"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_before_anything_is_asked(name: str, call: CALL) -> None:
    changes, sentence = MISTAKES[name]
    status, _, err = call("evaluate", **{"k": [1], **changes})
    assert status == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("run/eval").exists()
