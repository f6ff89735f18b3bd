"""One owner for a run directory, while it lives and no longer."""

import signal
import subprocess

import pytest
from faults.rig import Run, Server


@pytest.fixture
def run(tmp_path):
    with Server(tmp_path / "server.jsonl", ["--latency", "0.1", "--jitter", "0.1"]) as server:
        yield Run(tmp_path, server, problems=15, samples=4, concurrency=8)


def test_a_second_process_is_refused_and_told_who_owns_the_run(run):
    process = run.launch(answers=5)
    process.send_signal(signal.SIGSTOP)  # it may not come to its end before the second one has begun
    second = subprocess.run(run.command(), capture_output=True, text=True, timeout=60, check=False)
    process.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert f"{run.folder / 'run'} is in use by process {process.pid} on " in second.stderr
    assert process.wait(120) == 0, run.said()
    run.check(grace=0)
    assert run.paid_twice() == []


def test_a_killed_owner_owns_nothing(run):
    """Its workers may live a moment longer, and the next launch need not wait."""
    process = run.launch(answers=5)
    run.kill_leader(process)
    run.finish()
    run.check(grace=1.0)
