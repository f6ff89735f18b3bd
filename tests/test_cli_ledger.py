"""tracegen ledger: earlier spending is taken in, checked, packed, handed out, and never asked or counted again."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from fake_server import FakeServer

from tracegen import rundir
from tracegen.ledger import read

PROBLEMS = [{"id": f"p{n}", "statement": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(4)]


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe for a teacher behind a fake server; the working directory is empty but for it."""
    monkeypatch.chdir(tmp_path)
    with FakeServer() as server:
        (tmp_path / "p.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in PROBLEMS))
        teacher = {
            "engine": "openai",
            "model": "fake",
            "options": {"base_url": server.base_url},
            "sampling": {"n": 2, "max_tokens": 64},
        }
        tree = {
            "name": "t",
            "problems": {"source": "jsonl", "path": "p.jsonl"},
            "prompt": "math",
            "teachers": {"t": teacher},
            "verifiers": {"exact": {}},
        }
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(tree))
        yield server


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def plain(n, text=None, **more):
    prompt = [{"role": "user", "content": PROBLEMS[n]["statement"]}]
    return {"messages": prompt, "text": text or f"<think>\nadd\n</think>\n\n{n + 1}", "model": "fake", **more}


def take(call, file, *more, form="jsonl", target="t.yaml"):
    status, out, err = call("ledger", "import", target, file, "--from", form, "--teacher", "t", "--json", *more)
    return status, json.loads(out) if out else {}, err


def test_what_is_taken_in_is_not_asked_again_and_is_judged(call, recipe, tmp_path):
    usage = {"prompt_tokens": 7, "completion_tokens": 5}
    file = lines(tmp_path / "old.jsonl", [plain(0, usage=usage), plain(0, "other"), plain(0, "third"), plain(2)])
    status, found, _ = take(call, file)
    assert (status, found["taken"], found["finished"], found["problems"], found["beyond"]) == (0, 4, 4, 2, 1)
    rows = list(read(tmp_path / "runs" / "t" / "traces"))
    assert [(row["problem_id"], row["sample"], row["engine"]) for row in rows] == [
        ("p0", 0, "imported"),
        ("p0", 1, "imported"),
        ("p0", 2, "imported"),
        ("p2", 0, "imported"),
    ]
    assert (rows[0]["prompt_tokens"], rows[0]["completion_tokens"]) == (7, 5)
    status, _, err = call("generate", "t.yaml")
    assert status == 0, err
    asked = [body["messages"][-1]["content"] for body in recipe.requests()]
    assert sorted(asked) == sorted(
        [PROBLEMS[1]["statement"]] * 2 + [PROBLEMS[2]["statement"]] + [PROBLEMS[3]["statement"]] * 2
    )
    verdicts = [json.loads(line) for line in (tmp_path / "runs/t/verdicts/verdicts.jsonl").read_text().splitlines()]
    assert {verdict["outcome"] for verdict in verdicts if verdict["key"] == rows[0]["key"]} == {"right"}


def test_the_same_file_twice_adds_nothing_and_equal_answers_stay_apart(call, recipe, tmp_path):
    file = lines(tmp_path / "old.jsonl", [plain(1), plain(1)])
    assert take(call, file)[1]["taken"] == 2
    status, found, _ = take(call, file)
    assert (status, found["taken"], found["known"]) == (0, 0, 2)
    assert len(list(read(tmp_path / "runs" / "t" / "traces"))) == 2


def test_what_was_paid_for_elsewhere_is_no_charge_on_the_budget(call, recipe, tmp_path):
    file = lines(tmp_path / "old.jsonl", [plain(0, usage={"prompt_tokens": 10**6, "completion_tokens": 10**6})])
    assert take(call, file)[1]["taken"] == 1
    status, _, err = call("generate", "t.yaml", "budget.tokens=10000")
    assert status == 0, err
    assert len(recipe.requests()) == 7


def test_what_fits_no_problem_is_kept_aside_with_its_reason(call, recipe, tmp_path):
    rows = [plain(0), plain(0, model="another"), plain(1) | {"messages": []}, plain(1) | {"text": ""}]
    rows.append(plain(1) | {"messages": [{"role": "user", "content": "Who are you?"}]})
    file = lines(tmp_path / "old.jsonl", rows)
    file.write_text(file.read_text() + '{"half a li\n')
    status, found, _ = take(call, file)
    assert (status, found["taken"]) == (0, 1)
    assert found["aside"] == {
        "it is by another, not by fake": 1,
        "its prompt is not known": 1,
        "it holds no text": 1,
        "no problem of the run has this prompt": 1,
        "the line is not a JSON object": 1,
    }
    kept = [json.loads(line) for line in Path(found["kept_in"]).read_text().splitlines()]
    assert (kept[0]["row"], kept[0]["why"]) == (2, "it is by another, not by fake")
    assert kept[0]["text"] == rows[1]["text"]
    assert take(call, file, "--same-model")[1]["taken"] == 1


def test_the_statement_inside_another_prompt_is_found_on_demand(call, recipe, tmp_path):
    rows = [
        plain(n) | {"messages": [{"role": "user", "content": f"Solve.\n{PROBLEMS[n]['statement']}\nBox it."}]}
        for n in range(4)
    ]
    both = f"{PROBLEMS[0]['statement']} {PROBLEMS[1]['statement']}"
    rows.append(plain(0) | {"messages": [{"role": "user", "content": both}]})
    file = lines(tmp_path / "old.jsonl", rows)
    status, found, err = take(call, file)
    assert (status, found["taken"]) == (1, 0)
    assert "none of the answers could be taken in" in err
    status, found, _ = take(call, file, "--match", "statement")
    assert (found["taken"], found["problems"], found["aside"]) == (4, 4, {"no problem of the run has this prompt": 1})


def test_an_answer_that_was_cut_off_counts_as_one(call, recipe, tmp_path):
    file = lines(
        tmp_path / "old.jsonl",
        [plain(0, "<think>so", finish_reason="length", usage={"completion_tokens": 9}, sampling={"max_tokens": 32})],
    )
    assert take(call, file)[1]["finished"] == 0
    (row,) = read(tmp_path / "runs" / "t" / "traces")
    assert (row["finish_reason"], row["max_tokens"], row["sampling"]) == ("length", 32, {})


def test_mistakes_are_one_sentence(call, recipe, tmp_path):
    file = lines(tmp_path / "old.jsonl", [plain(0)])
    assert take(call, file, form="curatr")[2].startswith(
        "tracegen: there is no format 'curatr'; answers are read from curator, distilabel, jsonl, openai-batch."
    )
    assert take(call, tmp_path / "no.jsonl")[2].startswith("tracegen: there is no file ")
    status, _, err = call("ledger", "import", "t.yaml", file, "--from", "jsonl", "--teacher", "x")
    assert (status, err) == (2, "tracegen: the recipe has no teacher 'x'; it has t.\n")
    assert take(call, file, "--match", "sense")[2].startswith("tracegen: there is no match 'sense'; it is one of ")
    status, _, err = call("ledger", "verify", tmp_path / "nowhere")
    assert (status, err) == (2, f"tracegen: {tmp_path / 'nowhere'} is not a run directory.\n")


def test_a_run_that_is_in_use_is_neither_packed_nor_filled(call, recipe, tmp_path):
    take(call, file := lines(tmp_path / "old.jsonl", [plain(0)]))
    with rundir.owned(tmp_path / "runs" / "t"):
        assert take(call, file)[0] == 2
        assert call("ledger", "compact", "runs/t")[0] == 2
        assert call("ledger", "verify", "runs/t", "--repair")[0] == 2
        assert call("ledger", "verify", "runs/t")[0] == 0, "looking is free"


def test_verify_names_damage_and_what_mends_it(call, recipe, tmp_path):
    assert call("generate", "t.yaml")[0] == 0
    status, out, _ = call("ledger", "verify", "runs/t", "--json")
    (found,) = json.loads(out)["ledgers"]
    assert (status, found["sound"], found["ranks"], found["unplanned"]) == (0, True, {"finished": 8}, 0)
    segment = tmp_path / "runs/t/traces/0001.jsonl"
    rows = segment.read_text().splitlines(keepends=True)
    segment.write_text("".join([*rows[:3], "garbage\n", *rows[4:]]))
    status, out, err = call("ledger", "verify", "runs/t")
    assert status == 1
    assert "0001.jsonl, line 4 is not a row." in out
    assert "`tracegen ledger verify runs/t --repair` puts them aside" in err
    status, out, err = call("generate", "t.yaml")
    assert status == 2
    assert "`tracegen ledger verify RUN --repair`" in err
    status, out, err = call("ledger", "verify", "runs/t", "--repair")
    assert status == 1, "one judged answer is lost for good, until it is asked again"
    assert "put 1 damaged lines of 0001.jsonl into" in out
    assert "1 answers have a verdict and are not in the ledger" in out
    asked = len(recipe.requests())
    assert call("generate", "t.yaml")[0] == 0
    assert len(recipe.requests()) == asked + 1
    assert call("ledger", "verify", "runs/t")[0] == 0


def test_of_much_damage_the_first_places_are_named_and_the_others_counted(call, recipe, tmp_path):
    take(call, lines(tmp_path / "old.jsonl", [plain(0)]))
    with (tmp_path / "runs/t/traces/0001.jsonl").open("a") as file:
        file.write("garbage\n" * 25)
    status, out, _ = call("ledger", "verify", "runs/t")
    assert (status, out.count(" is not a row.")) == (1, 20)
    assert "\n5 more places are damaged.\n" in out


def test_a_row_of_another_plan_is_told(call, recipe, tmp_path):
    assert call("generate", "t.yaml")[0] == 0
    path = tmp_path / "runs/t/traces/0001.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["prompt"][-1]["content"] += " (changed on disk)"
    lines(path, rows)
    _, out, _ = call("ledger", "verify", "runs/t")
    assert "1 rows belong to no recipe that the run has kept." in out


def test_compact_seals_and_the_run_goes_on(call, recipe, tmp_path):
    assert call("generate", "t.yaml")[0] == 0
    before = sorted(row["key"] for row in read(tmp_path / "runs/t/traces"))
    status, out, _ = call("ledger", "compact", "runs/t")
    assert status == 0
    assert out.startswith("runs/t/traces: 0.0 MB -> 0.0 MB")
    assert [path.name for path in sorted((tmp_path / "runs/t/traces").glob("0*"))] == ["0001.parquet"]
    asked = len(recipe.requests())
    assert call("generate", "t.yaml", "teachers.t.sampling.n=3")[0] == 0
    assert len(recipe.requests()) == asked + 4
    assert sorted(row["key"] for row in read(tmp_path / "runs/t/traces") if row["sample"] < 2) == before
    assert call("ledger", "verify", "runs/t")[0] == 0


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_export_holds_every_trace_with_its_verdict(call, recipe, tmp_path, form):
    cut = plain(3, "<think>so \ud800", finish_reason="length", usage={"completion_tokens": 64})
    take(call, lines(tmp_path / "old.jsonl", [plain(0), plain(0, "<think>\nno\n</think>\n\n7"), cut]))
    assert call("verify", "t.yaml")[0] == 0
    status, out, _ = call("ledger", "export", "runs/t", tmp_path / "out", "--format", form)
    assert (status, out) == (0, f"3 traces in {tmp_path / 'out'}.\n")
    if form == "parquet":
        rows = pq.read_table(tmp_path / "out").to_pylist()
    else:
        rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    told = [(row["problem_id"], row["reasoning"], row["response"], row["status"], row["verdict"]) for row in rows[:2]]
    assert told == [("p0", "add", "1", "complete", "right"), ("p0", "no", "7", "complete", "wrong")]
    assert (rows[2]["status"], rows[2]["answer"], rows[2]["teacher"]) == ("truncated", "4", "t")
    assert rows[0]["messages"] == [{"role": "user", "content": "What is 0 + 1?"}]
    status, out, _ = call("ledger", "export", "runs/t", tmp_path / "out", "--format", form, "--only", "right")
    assert out == f"1 traces in {tmp_path / 'out'}; 2 others are left out.\n"


def test_export_for_training_holds_whole_conversations_alone(call, recipe, tmp_path):
    cut = plain(3, "<think>so", finish_reason="length")
    take(call, lines(tmp_path / "old.jsonl", [plain(0), cut]))
    assert call("ledger", "export", "runs/t", "out", "--format", "openai")[0] == 0
    (row,) = map(json.loads, (tmp_path / "out").read_text().splitlines())
    text = "<think>\nadd\n</think>\n\n1"
    prompt = {"role": "user", "content": "What is 0 + 1?"}
    assert row == {"messages": [prompt, {"role": "assistant", "content": text}]}
    assert call("ledger", "export", "runs/t", "out", "--format", "sharegpt")[0] == 0
    (row,) = map(json.loads, (tmp_path / "out").read_text().splitlines())
    turns = [{"from": "human", "value": "What is 0 + 1?"}, {"from": "gpt", "value": text}]
    assert row == {"conversations": turns}
    # What was handed out can be taken in elsewhere.
    assert take(call, tmp_path / "out", "--run-dir", tmp_path / "other")[1]["taken"] == 1
    status, _, err = call("ledger", "export", "runs/t", "out", "--format", "xml")
    assert (status, err) == (2, "tracegen: there is no format 'xml'; it is one of jsonl, parquet, openai, sharegpt.\n")


def test_arrow_tables_are_read_too(call, recipe, tmp_path):
    table = pa.table({"instruction": ["What is 1 + 1?"], "generation": ["<think>\nadd\n</think>\n\n2"]})
    (tmp_path / "set").mkdir()
    with pa.ipc.new_stream(tmp_path / "set" / "data-00000-of-00001.arrow", table.schema) as stream:
        stream.write_table(table)
    status, found, _ = take(call, tmp_path / "set", form="distilabel")
    assert (status, found["taken"], found["thinking"]) == (0, 1, 1)
