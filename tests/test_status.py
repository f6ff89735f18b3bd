"""`tracegen status` on a run that lives, that was killed, that is at rest, and on what is no run."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import yaml

from tracegen import rundir, status
from tracegen.records import UsageError

ENGINE = '''
import time
from tracegen.records import Completion

def scripted(requests, *, model, seconds=0.0, fail=()):
    """Sample n answers n; the samples in `fail` fail."""
    for request in requests:
        if request is not None:
            time.sleep(seconds)
            if request.sample in fail:
                yield request, Completion(error="the server answered 500: no room")
                continue
            reason = "length" if request.sample == 3 else "stop"
            yield request, Completion(f"<think>\\nhm\\n</think>\\n\\n{request.sample}", None, reason, 10, 5)
'''
PROBLEMS = 10


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe with an engine of its own; four samples a problem, of which the one that is the answer is right."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(ENGINE)
    rows = [{"id": f"p{n}", "statement": f"How many are {n}?", "answer": "1" if n else "7"} for n in range(PROBLEMS)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(**options):
        teacher = {
            "engine": "mine.py:scripted",
            "model": "fake",
            "sampling": {"n": 4, "max_tokens": 50},
            "options": options,
            "prices": {"input": 1000.0, "output": 10000.0},
        }
        tree = {"name": "t", "problems": {"source": "jsonl", "path": "p.jsonl"}, "prompt": "math"}
        tree |= {"teachers": {"t": teacher}, "verifiers": {"exact": {}}}
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(tree))
        return "t.yaml"

    return write


def call(*arguments, **options):
    command = [sys.executable, "-m", "tracegen.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def running(recipe, tmp_path):
    """A run that takes a minute, and has some answers."""
    command = [sys.executable, "-m", "tracegen.cli", "generate", recipe(seconds=1.5), "--run-dir", "run"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answered(tmp_path / "run") >= 1)
        yield process
    finally:
        process.kill()
        process.wait()


def answered(run):
    try:
        stages = json.loads((run / "status.json").read_text())["stages"]
        return stages["generate"]["samples"]["answered"]
    except (OSError, KeyError):
        return 0


def wait_for(true):
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_that_lives(running, tmp_path):
    found = status.look(tmp_path / "run")
    assert (found["state"], found["disk"], found["again"]) == ("running", None, None)
    assert found["owner"] == f"process {running.pid} on {socket.gethostname()}"
    assert found["heard"] < status.HEARD
    assert found["launch"]["stage"] == "generate"
    figures = found["launch"]["stages"]["generate"]
    assert figures["samples"]["planned"] == 4 * PROBLEMS
    assert figures["samples"]["asked"] >= figures["samples"]["answered"] >= 1
    shown = call("status", "run").stdout
    assert f"running (generate), process {running.pid}" in shown
    assert f"of {4 * PROBLEMS} samples" in shown


def test_a_look_does_not_disturb_the_owner(running, tmp_path):
    """Nor does it keep the next owner out."""
    for _ in range(20):
        status.look(tmp_path / "run")
    assert running.poll() is None
    assert call("generate", "run").returncode == 2


def test_a_run_that_was_killed(running, tmp_path):
    running.send_signal(signal.SIGKILL)
    running.wait()
    found = status.look(tmp_path / "run")
    assert (found["state"], found["owner"]) == ("killed", None)
    assert found["again"] == f"tracegen run {tmp_path / 'run'}"
    assert 1 <= sum(found["disk"]["teachers"]["t"]["traces"].values()) < 4 * PROBLEMS
    shown = call("status", "run").stdout
    assert f"process {running.pid} on {socket.gethostname()} is gone without a word" in shown
    assert "To go on: tracegen run run" in shown


def test_a_run_that_is_stopped_is_silent(running, tmp_path, monkeypatch):
    monkeypatch.setattr(status, "HEARD", 2.5)
    running.send_signal(signal.SIGSTOP)
    wait_for(lambda: status.look(tmp_path / "run")["heard"] > status.HEARD)
    found = status.look(tmp_path / "run")
    assert found["state"] == "running"
    assert "it is stopped, or cannot write" in status.headline(found)


def test_a_run_at_rest_is_counted(recipe, tmp_path):
    assert call("generate", recipe(fail=[0]), "--run-dir", "run").returncode == 0
    found = status.look(tmp_path / "run")
    assert (found["state"], found["launch"]["exit_status"], found["again"]) == ("done", 0, None)
    assert found["disk"]["problems"] == {"total": PROBLEMS, "solved": PROBLEMS - 1}
    teacher = found["disk"]["teachers"]["t"]
    assert teacher["traces"] == {"complete": 2 * PROBLEMS, "truncated": PROBLEMS}
    assert teacher["verdicts"]["right"] == PROBLEMS - 1
    assert (teacher["failed"], teacher["errors"]) == (PROBLEMS, {"the server answered 500": PROBLEMS})
    assert teacher["tokens"] == {"prompt": 300, "completion": 150}
    assert teacher["usd"] == pytest.approx(0.3 + 1.5)
    assert teacher["usd_per_verified"] == pytest.approx(1.8 / (PROBLEMS - 1))
    shown = call("status", "run")
    assert shown.returncode == 0
    assert "9 of 10 problems have a right trace." in shown.stdout
    assert "10 x the server answered 500" in shown.stdout
    assert "$1.80" in shown.stdout


def test_the_live_figures_and_those_on_disk_agree(recipe, tmp_path):
    call("generate", recipe(fail=[0]), "--run-dir", "run")
    found = status.look(tmp_path / "run")
    live, disk = found["launch"]["stages"]["generate"]["teachers"]["t"], found["disk"]["teachers"]["t"]
    for name in ("traces", "verdicts", "right", "truncated", "errors"):
        assert live[name] == disk[name], name
    assert live["samples"]["failed"] == disk["failed"]
    assert live["tokens"]["completion"] == disk["tokens"]["completion"]
    assert live["cost"]["usd"] == pytest.approx(disk["usd"])
    assert live["cost"]["usd_per_verified"] == pytest.approx(disk["usd_per_verified"])


def test_a_second_launch_starts_where_the_first_ended(recipe, tmp_path):
    call("generate", recipe(fail=[0]), "--run-dir", "run")
    call("generate", recipe(), "--run-dir", "run")
    samples = status.look(tmp_path / "run")["launch"]["stages"]["generate"]["samples"]
    assert (samples["there"], samples["answered"], samples["done"]) == (3 * PROBLEMS, PROBLEMS, 4 * PROBLEMS)


def test_a_run_that_failed_says_why(recipe, tmp_path):
    assert call("generate", recipe(fail=[0, 1, 2, 3]), "--run-dir", "run").returncode == 1
    shown = call("status", "run").stdout
    assert "run: failed" in shown
    assert "with exit status 1: 40 of 40 requests failed" in shown


def test_a_run_without_a_status_file_is_at_rest(recipe, tmp_path):
    call("generate", recipe(), "--run-dir", "run")
    for text in (None, "{", '"text"', '{"state": "running"}'):
        (tmp_path / "run" / "status.json").unlink(missing_ok=True)
        if text is not None:
            (tmp_path / "run" / "status.json").write_text(text)
        found = status.look(tmp_path / "run")
        assert (found["state"], found["launch"]) == ("at rest", None)
        assert sum(found["disk"]["teachers"]["t"]["traces"].values()) == 4 * PROBLEMS


def test_an_owner_elsewhere_lives_while_it_is_heard(tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: t\n")
    launch = {"state": "running", "pid": 1, "host": "elsewhere", "stages": {}, "stage": None, "error": None}
    for age, state in ((1.0, "running"), (60.0, "killed")):
        (tmp_path / "status.json").write_text(json.dumps(launch | {"written": time.time() - age}))
        assert status.look(tmp_path)["state"] == state


def test_an_owner_that_has_said_nothing_yet(tmp_path):
    (tmp_path / "recipe.yaml").write_text("name: t\n")
    launch = {"state": "done", "pid": os.getpid() + 1, "host": "h", "written": 1.0, "stages": {}, "stage": None}
    (tmp_path / "status.json").write_text(json.dumps(launch))
    with rundir.owned(tmp_path):
        found = status.look(tmp_path)
        assert (found["state"], found["launch"]) == ("running", None)
        assert f"in use by process {os.getpid()} on" in status.headline(found)


def test_what_is_no_run(tmp_path):
    with pytest.raises(UsageError, match="is not a run directory"):
        status.look(tmp_path)
    assert call("status", tmp_path).returncode == 2


def test_watching_ends_with_the_run(running, tmp_path):
    watcher = [sys.executable, "-m", "tracegen.cli", "status", "run", "--watch", "--json"]
    watching = subprocess.Popen(watcher, stdout=subprocess.PIPE, text=True)
    lines = [json.loads(watching.stdout.readline())]
    running.send_signal(signal.SIGKILL)
    lines += [json.loads(line) for line in watching.communicate(timeout=30)[0].splitlines()]
    assert watching.returncode == 0
    assert (lines[0]["state"], lines[-1]["state"]) == ("running", "killed")


def test_a_terminal_sees_the_same(recipe, tmp_path, capsys):
    call("generate", recipe(), "--run-dir", "run")
    status.show(tmp_path / "run", watch=True, as_json=False)
    assert "9 of 10 problems have a right trace." in capsys.readouterr().out


def test_quiet_and_a_log_from_the_command_line(recipe):
    quiet = call("generate", recipe(), "--run-dir", "a", "--quiet")
    (sentence,) = quiet.stderr.splitlines()
    assert sentence.startswith("generate: 40 samples answered")
    log = call("generate", recipe(), "--run-dir", "b", "--json-log", "-")
    assert [json.loads(line)["event"] for line in log.stderr.splitlines()][-1] == "end"
    refused = call("generate", "t.yaml", "teachers.t.nonsense=1", "--json-log", "-")
    assert refused.returncode == 2
    assert "nonsense" in json.loads(refused.stderr)["text"]
    taken = call("generate", "t.yaml", "--run-dir", "c", "--metrics-port", "nowhere")
    assert (taken.returncode, "say PORT or HOST:PORT" in taken.stderr) == (2, True)
