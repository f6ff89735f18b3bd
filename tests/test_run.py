"""The whole flow on tiny things: recorded teacher, tiny student, every stage written, nothing done twice."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from fake_hub import FakeHub

from tracegen import cli
from tracegen.ledger import read

PROBLEMS = [{"id": f"p{n}", "statement": f"What is {n} + {n + 1}?", "answer": str(2 * n + 1)} for n in range(8)]
LEAKED = {"id": "leak", "statement": PROBLEMS[6]["statement"].upper(), "answer": "13"}
HELD_OUT = [{"id": f"h{n}", "statement": f"What is {n} + 50?", "answer": str(n + 50)} for n in range(4)]


def recorded():
    """Three samples a problem: right, wrong, cut off; one problem has no right answer, one is like a held-out one."""
    for n, problem in enumerate(PROBLEMS):
        right = f"<think>\n{n} and {n + 1} make {2 * n + 1}.\n</think>\n\n\\boxed{{{2 * n + 1}}}"
        for sample, text in enumerate([right, right.replace("boxed{", "boxed{9"), "<think>\nhm"]):
            wrong = n == 7 and sample == 0
            yield {
                "problem_id": problem["id"],
                "sample": sample,
                "text": "\\boxed{0}" if wrong else text,
                "finish_reason": "length" if sample == 2 else "stop",
                "prompt_tokens": 10,
                "completion_tokens": 20,
            }
    for n, problem in enumerate(HELD_OUT):
        text = f"<think>\nsum\n</think>\n\n\\boxed{{{problem['answer'] if n < 2 else 'x'}}}"
        yield {"problem_id": f"jsonl/{problem['id']}", "sample": 0, "text": text, "finish_reason": "stop"}


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_model):
    """A finished run: its folder and the function that runs it again with overrides."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "p.jsonl").write_text(lines(PROBLEMS))
    (folder / "h.jsonl").write_text(lines([*HELD_OUT, LEAKED]))
    (folder / "r.jsonl").write_text(lines(recorded()))
    recipe = {
        "name": "whole",
        "problems": {"source": "jsonl", "path": str(folder / "p.jsonl")},
        "prompt": "math",
        "teachers": {
            "recorded": {
                "engine": "replay",
                "model": "recorded",
                "options": {"path": str(folder / "r.jsonl")},
                "sampling": {"n": 3, "max_tokens": 32},
            }
        },
        "verifiers": {"math": {}},
        "filters": {"wellformed": {}, "correct": {}, "dedup": {}, "decontaminate": {}},
        "student": {
            "model": str(tiny_model),
            "max_length": 256,
            "trainer": {"max_steps": 4, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "use_cpu": True},
        },
        "evaluate": {
            "benchmarks": {"jsonl": {"path": str(folder / "h.jsonl"), "limit": 4}},
            "sampling": {"n": 1, "temperature": 0.0, "max_tokens": 8},
            "engine": "hf",
        },
    }
    path = folder / "whole.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))

    def call(verb, *more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["tracegen", verb, str(path), "--run-dir", str(folder / "run"), *more])
            with pytest.raises(SystemExit) as stopped:
                cli.main()
        return stopped.value.code

    assert call("run") == 0
    return folder / "run", call


def test_the_run_directory_holds_every_stage(made):
    run, _ = made
    found = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    assert found == {
        *("recipe.yaml", "environment.json", "problems.jsonl", "traces", "verdicts", "dropped", "corpus", "student"),
        *("eval", "scores.jsonl", "report.html", "status.json"),
    }


def test_the_funnel_adds_up_to_the_traces(made):
    run, _ = made
    funnel = json.loads((run / "corpus" / "funnel.json").read_text())
    dropped = [row for path in (run / "dropped").glob("*.jsonl") for row in read_lines(path)]
    assert funnel["traces"] == 24
    assert funnel["kept"] + len(dropped) == 24
    assert {(row["filter"], row["reason"]) for row in dropped} == {
        ("wellformed", "truncated"),
        ("wellformed", "no_reasoning"),
        ("correct", "wrong"),
        ("decontaminate", "jsonl"),
    }
    assert [row["problem_id"] for row in dropped if row["filter"] == "decontaminate"] == ["p6"]
    assert funnel["kept"] == 6


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_corpus_loads_and_is_what_the_student_was_trained_on(made, tmp_path):
    datasets = pytest.importorskip("datasets")
    run, _ = made
    corpus = datasets.load_dataset(str(run / "corpus"), split="train", cache_dir=str(tmp_path))
    assert len(corpus) == 6
    assert corpus[0]["messages"] == [
        {"role": "user", "content": "What is 0 + 1?"},
        {"role": "assistant", "content": "<think>\n0 and 1 make 1.\n</think>\n\n\\boxed{1}"},
    ]
    assert {row["verdict"] for row in corpus} == {"right"}
    assert json.loads((run / "student" / "rows.json").read_text())["kept"] == 6


def test_the_scores_name_every_role_with_an_interval(made):
    run, _ = made
    scores = read_lines(run / "scores.jsonl")
    assert {(row["role"], row["metric"]) for row in scores} >= {
        ("before", "pass@1"),
        ("before", "last_number@1"),
        ("after", "pass@1"),
        ("after", "truncated"),
        ("comparison", "after-before"),
        ("comparison", "last_number.after-before"),
    }
    assert all(row["low"] <= row["value"] <= row["high"] for row in scores)
    assert {row["problems"] for row in scores} == {4}
    teacher = {row["metric"]: row["value"] for row in scores if row["role"] == "teacher"}
    assert (teacher["pass@1"], teacher["last_number@1"], teacher["truncated"]) == (0.5, 0.5, 0.0)


def test_the_student_differs_from_its_base_and_loads(made, tiny_model):
    import torch
    from transformers import AutoModelForCausalLM

    run, _ = made
    before = AutoModelForCausalLM.from_pretrained(tiny_model).state_dict()
    after = AutoModelForCausalLM.from_pretrained(run / "student").state_dict()
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_a_second_run_does_nothing_again(made):
    run, call = made
    stamps = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name in ("stage.json", "0001.jsonl")}
    assert len(stamps) == 9
    assert call("run") == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert not (run / "traces" / "0002.jsonl").exists()


def test_other_filters_make_another_corpus_and_ask_nothing(made):
    run, call = made
    before = len(list(read(run / "traces")))
    assert call("curate", "filters.dedup=null", "filters.length.max_tokens=25") == 0
    assert json.loads((run / "corpus" / "funnel.json").read_text())["kept"] < 6
    assert len(list(read(run / "traces"))) == before
    assert (run / "recipe.2.yaml").is_file()
    assert call("curate") == 0
    assert json.loads((run / "corpus" / "funnel.json").read_text())["kept"] == 6


def test_a_training_row_is_shown_with_what_is_trained_on(made, capsys):
    _, call = made
    capsys.readouterr()
    assert call("show", "--tokens", "--row", "1") == 0
    shown = capsys.readouterr().out
    assert "What is 1 + 2?" in shown.replace("|", "")
    assert "[<][/][t][h][i][n][k][>]" in shown
    assert call("show", "--tokens", "--row", "99") == 2
    assert "there are 6 rows to train on" in capsys.readouterr().err
    assert call("show", "--tokens", "--limit", "2") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("row 0, ")
    assert "\nrow 1, " in shown
    assert "\nrow 2, " not in shown
    assert shown.count("[[<|im_end|>]]") == 2


def test_what_is_trained_on_is_counted_without_training(made, capsys):
    run, call = made
    capsys.readouterr()
    assert call("show", "--rows", "--json") == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts == json.loads((run / "student" / "rows.json").read_text())
    assert counts["kept"] == 6
    assert call("show", "--rows") == 0
    assert "each ends with <|im_end|>" in capsys.readouterr().out
    assert call("show", "--rows", "student.max_length=40") == 1
    assert "over_length 6" in capsys.readouterr().err


def test_rows_that_are_held_out_are_not_shown_as_trained_on(made, capsys):
    _, call = made
    capsys.readouterr()
    assert call("show", "--rows", "--json", "student.held_out=2") == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["kept"] == 6
    assert counts["rows"] + counts["held_out"] == 6
    assert counts["held_out"] >= 2
    assert call("show", "--tokens", "--row", "99", "student.held_out=2") == 2
    assert f"there are {counts['rows']} rows to train on" in capsys.readouterr().err


def test_other_data_is_mixed_in_and_a_change_of_it_is_seen(made, tmp_path, capsys):
    run, call = made
    old = tmp_path / "old.jsonl"
    chat = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]
    old.write_text(lines([{"id": "o", "messages": chat}]))
    more = [
        f"student.data={{own: {{}}, old: {{corpus: {old}, weight: 0.5, licence: mit}}}}",
        "student.weights={hard: 2}",
    ]
    assert call("train", *more) == 0
    parts = json.loads((run / "student" / "rows.json").read_text())["parts"]
    assert parts == {"own": {"read": 6, "kept": 6, "rows": 6}, "old": {"read": 1, "kept": 1, "rows": 3}}
    capsys.readouterr()
    assert call("train", *more) == 0
    assert "student: up to date" in capsys.readouterr().err
    old.write_text(lines([{"id": "o", "messages": [chat[0], {"role": "assistant", "content": "Good day."}]}]))
    assert call("train", *more) == 0
    assert "student: trained on 9 traces" in capsys.readouterr().err
    assert call("train", f"student.data={{old: {{corpus: {tmp_path}/gone.jsonl}}}}") == 2
    assert "there is no corpus" in capsys.readouterr().err
    assert call("train", "student.order={by: pass_rate, pacing: 2}") == 2
    assert call("train") == 0


def test_what_a_teacher_says_is_captured_once_and_trained_from(made, tmp_path, tiny_model, capsys):
    run, call = made
    guide = f"{{model: {tiny_model}, store: 8, by: hf}}"
    more = ["student.method=distill", f"student.distill={{teachers: {{tiny: {guide}}}}}"]
    capsys.readouterr()
    assert call("capture", *more, "--json") == 0
    figures = json.loads(capsys.readouterr().out)["tiny"]
    files = list((run / "signals" / "tiny").glob("signals-*.parquet"))
    assert figures["rows"] == figures["captured"] == 6
    assert figures["bytes"] == sum(file.stat().st_size for file in files)
    assert call("train", *more) == 0
    said = capsys.readouterr().err
    assert "signals of tiny: up to date" in said
    assert "student: trained on 6 traces" in said
    # The student is the teacher, of which eight of 259 tokens say next to nothing.
    first = json.loads((run / "student" / "log.jsonl").read_text().splitlines()[0])
    assert first["forward_kl"] == pytest.approx(0, abs=1e-5)
    assert call("train", *more, "student.distill.teachers.tiny.options.tokens=64") == 0
    assert "student: up to date" in capsys.readouterr().err
    assert call("train", *more, "student.distill.teachers.tiny.store=4") == 2
    assert "the number of tokens kept at each place is 4, and the signals in" in capsys.readouterr().err
    assert call("capture") == 2
    assert "no teacher is to be stored" in capsys.readouterr().err
    assert call("train") == 0


def test_the_corpus_is_published_from_the_command_line(made, tmp_path):
    run, _ = made
    with FakeHub() as hub:
        environment = os.environ | hub.environment(tmp_path)
        command = [sys.executable, "-m", "tracegen.cli", "publish", str(run), "--repo", "someone/sums"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, f"{hub.url}/datasets/someone/sums"), done.stderr
        published = hub.dataset("someone/sums").head.files
    card = (run / "corpus" / "README.md").read_text()
    addressed = card.replace('"path/to/this/folder"', '"someone/sums"')
    addressed = addressed.replace("{path/to/this/folder}", "{https://huggingface.co/datasets/someone/sums}")
    assert published["README.md"].decode() == addressed
    assert published["data/curated/train-00000-of-00001.parquet"].startswith(b"PAR1")
    assert not any("stage.json" in name for name in published)
