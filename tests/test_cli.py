"""The command line: mistakes are one sentence and an exit status, before any model is loaded."""

import json
import resource
import signal
import subprocess
import sys
import time

import pytest
import yaml
from fake_server import FakeServer

from tracegen import prepare
from tracegen.ledger import read

PROBLEM = {"id": "p1", "statement": "What is 1 + 1?", "answer": "2"}


@pytest.fixture
def call(call, monkeypatch):
    """The same as everywhere, but that loading any model fails the test."""

    resolve = prepare.resolve

    def no_model(name, revision=None):
        assert name != "embedded", "a model was looked for before the mistake was found"
        return resolve(name, revision)

    def run(*arguments, models_allowed=False):
        if not models_allowed:
            monkeypatch.setattr(prepare, "resolve", no_model)
        return call(*arguments)

    return run


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe on disk, changed by keyword; the working directory is empty but for it."""
    monkeypatch.chdir(tmp_path)

    def write(rows=(PROBLEM,), **changes):
        (tmp_path / "p.jsonl").write_text("".join(json.dumps(problem) + "\n" for problem in rows))
        tree = {
            "name": "t",
            "problems": {"source": "jsonl", "path": "p.jsonl"},
            "prompt": "math",
            "teachers": {"t": {"engine": "replay", "model": "embedded", "options": {"path": "r.jsonl"}}},
            "verifiers": {"exact": {}},
            "student": {"model": "embedded"},
        }
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(tree | changes))
        return tmp_path / "t.yaml"

    return write


TEACHER = {"engine": "replay", "model": "embedded", "options": {"path": "r.jsonl"}}

MISTAKES = {
    "unknown filter": ({"filters": {"lenght": {}}}, "there is no filter 'lenght'; the filters are choose, correct, "),
    "unknown option": (
        {"filters": {"length": {"max_token": 9}}},
        "filter 'length' has no option 'max_token'; it takes ",
    ),
    "bad value of an option": (
        {"filters": {"repetition": {"times": "many"}}},
        "filter 'repetition': times is 'many'; input should be a valid integer",
    ),
    "unknown engine": ({"teachers": {"t": TEACHER | {"engine": "vlm"}}}, "there is no engine 'vlm'; the engines are "),
    "unknown engine option": (
        {"teachers": {"t": TEACHER | {"options": {"path": "r", "x": 1}}}},
        "engine 'replay' has no option 'x'; it takes path.",
    ),
    "unknown verifier": ({"verifiers": {"maths": {}}}, "there is no verifier 'maths'; the verifiers are "),
    "unknown benchmark": ({"evaluate": {"benchmarks": {"gsm9k": {}}}}, "there is no benchmark 'gsm9k'; "),
    "unknown source": ({"problems": {"source": "csv"}}, "there is no source 'csv'; the sources are gsm8k, "),
    "unknown field": ({"filter": {}}, "the recipe has no field 'filter'; it takes name, "),
    "unknown prompt": ({"prompt": "maths"}, "there is no prompt 'maths'; tracegen comes with "),
    "missing problem file": ({"problems": {"source": "jsonl", "path": "none.jsonl"}}, "'none.jsonl'"),
    "pass@k beyond n": ({"evaluate": {"k": [4]}}, "evaluate.k asks for pass@4, but evaluate.sampling.n is only 1"),
    "unknown trainer option": (
        {"student": {"model": "embedded", "trainer": {"lerning_rate": 1e-5}}},
        "TRL's SFTConfig has no option 'lerning_rate'; the closest are learning_rate",
    ),
    "greedy copies": (
        {"teachers": {"t": TEACHER | {"sampling": {"n": 2, "temperature": 0}}}},
        "t: sampling.temperature is 0 and sampling.n is 2",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_recipe(call, recipe, name):
    changes, sentence = MISTAKES[name]
    status, out, err = call("run", recipe(**changes))
    assert (status, out) == (2, "")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


PROBLEM_FILES = {
    "malformed line": (json.dumps(PROBLEM) + "\n{oops\n", "p.jsonl, line 2 is not JSON"),
    "no statement": ('{"id": "1", "answer": "2"}\n', "p.jsonl, line 1 has no `statement`"),
    "empty file": ("", "p.jsonl holds no problems"),
    "the same id twice": ((json.dumps(PROBLEM) + "\n") * 2, "p.jsonl, line 2"),
    "a gold that its verifier rejects": (
        json.dumps(PROBLEM | {"answer": ""}) + "\n",
        "the verifier rejects the gold answer of p1 (answer '': unverifiable",
    ),
    "a verifier that does not exist": (json.dumps(PROBLEM | {"verifier": "maths"}) + "\n", "no verifier 'maths'"),
}


@pytest.mark.parametrize("name", PROBLEM_FILES)
def test_a_mistake_in_the_problems(call, recipe, tmp_path, name):
    text, sentence = PROBLEM_FILES[name]
    path = recipe()
    (tmp_path / "p.jsonl").write_text(text)
    status, out, err = call("run", path)
    assert (status, out) == (2, "")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_a_target_that_is_not_there(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("run", "nowhere.yaml")[0] == 2
    assert "there is no recipe 'nowhere.yaml'; tracegen comes with " in call("run", "nowhere.yaml")[2]
    assert "is not a run directory" in call("run", tmp_path)[2]


def test_a_run_directory_that_cannot_be_written(call, recipe, tmp_path):
    path = recipe()
    (tmp_path / "file").write_text("")
    status, _, err = call("run", path, "--run-dir", tmp_path / "file" / "run")
    assert status == 2
    assert "cannot write to the run directory" in err


def test_an_override_or_a_word_that_does_not_fit(call, recipe):
    assert call("run", recipe(), "seed")[0] == 2
    assert call("rum")[0] == 2
    assert call("run", recipe(), "teachers.t.sampling.n=0")[0] == 2


def test_publish_asks_where_to_and_for_a_corpus(call, recipe):
    assert "Say --repo owner/name" in call("publish", recipe())[2]
    status, _, err = call("publish", recipe(), "--repo", "a/b")
    assert (status, "tracegen curate" in err) == (2, True)


def test_check_lists_every_gold_that_is_rejected(call, recipe):
    problems = [PROBLEM, PROBLEM | {"id": "p2", "answer": ""}, PROBLEM | {"id": "p3", "answer": " "}]
    status, out, err = call("check", recipe(problems))
    assert status == 2
    assert [line.partition(":")[0] for line in out.splitlines()] == ["p2", "p3"]
    assert "2 of 3 gold answers are rejected" in err
    assert call("check", recipe())[:2] == (0, "1 problems; every gold answer is accepted by its verifier.\n")


def test_show_prints_the_resolved_recipe(call, recipe):
    status, out, _ = call("show", recipe(), "teachers.t.sampling.n=3")
    assert status == 0
    assert yaml.safe_load(out)["teachers"]["t"]["sampling"]["n"] == 3
    assert json.loads(call("show", recipe(), "--json")[1])["name"] == "t"


def test_list_names_every_shelf_with_options(call):
    found = json.loads(call("list", "--json")[1])
    assert set(found) == {"sources", "engines", "verifiers", "filters", "benchmarks", "recipes", "prompts"}
    assert any(entry["name"] == "length" and entry["options"] for entry in found["filters"])
    assert all(entry["summary"] for entries in found.values() for entry in entries)
    assert call("list", "shoes")[0] == 2
    pytest.importorskip("torch")
    assert "[n]" in call("list", "losses")[1]
    scorers = json.loads(call("list", "scorers", "--json")[1])["scorers"]
    assert [entry["name"] for entry in scorers] == ["hf", "server", "vllm"]


def test_doctor_says_what_is_there_and_what_is_missing(call):
    found = json.loads(call("doctor", "--json")[1])
    assert found["packages"]["math-verify"]
    for package, there in found["packages"].items():
        assert bool(there) != any(line.startswith(f"{package} is missing") for line in found["advice"])


def test_help_answers_at_once():
    def seconds():
        """CPU time: what a machine with nothing else to do would take."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "tracegen.cli", "--help"], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.5


def test_importing_the_command_line_imports_nothing_heavy():
    heavy = "torch transformers vllm ray openai datasets trl sympy pyarrow numpy"
    code = f"import sys, tracegen.cli, tracegen.run; print(*(set({heavy.split()!r}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == ""


def openai_teacher(base_url, **more):
    return {"teachers": {"t": {"engine": "openai", "model": "fake", "options": {"base_url": base_url, **more}}}}


def test_a_server_that_is_down(call, recipe):
    status, _, err = call("run", recipe(**openai_teacher("http://127.0.0.1:9/v1")))
    assert (status, "no server answers at http://127.0.0.1:9/v1" in err) == (1, True)


def test_a_server_that_needs_a_key(call, recipe, monkeypatch):
    with FakeServer(api_key="sk-good-key") as server:
        status, _, err = call("run", recipe(**openai_teacher(server.base_url)))
        assert (status, "api_key_env" in err) == (1, True)
        monkeypatch.setenv("MY_KEY", "sk-wrong-key")
        status, _, err = call("run", recipe(**openai_teacher(server.base_url, api_key_env="MY_KEY")))
        assert (status, "refuses the key (401)" in err, "sk-wrong-key" in err) == (1, True, False)
        status, _, err = call("run", recipe(**openai_teacher(server.base_url, api_key_env="NO_KEY")))
        assert (status, "NO_KEY is not set" in err) == (2, True)


def test_a_server_without_such_a_model(call, recipe):
    with FakeServer(models=["one", "two"]) as server:
        status, _, err = call("run", recipe(**openai_teacher(server.base_url)))
    assert (status, "has no model 'fake'; it has one, two" in err) == (1, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_cleanly_and_says_how_to_go_on(recipe, tmp_path, number):
    rows = [{"id": f"p{n}", "statement": f"What is {n} + 1?", "answer": str(n + 1)} for n in range(200)]
    with FakeServer(latency=0.1) as server:
        path = recipe(rows, **openai_teacher(server.base_url, concurrency=4))
        command = [sys.executable, "-m", "tracegen.cli", "generate", str(path), "--run-dir", str(tmp_path / "run")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while not list((tmp_path / "run" / "traces").glob("*.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"To go on: tracegen generate {tmp_path / 'run'}" in err
    assert "Traceback" not in err
    assert 0 < len(list(read(tmp_path / "run" / "traces"))) < 200
