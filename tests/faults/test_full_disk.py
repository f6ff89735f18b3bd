"""A disk that is full: one sentence, nothing acknowledged is lost, and with more room the same command goes on."""

import random
import subprocess
import time

import pytest
from faults.rig import Run, Server


@pytest.fixture
def run(tmp_path):
    """A run whose directory is a small file system of its own; `room(kilobytes)` makes it larger."""
    with Server(tmp_path / "server.jsonl", ["--latency", "0.02", "--jitter", "0.02"]) as server:
        run = Run(tmp_path, server, problems=150, samples=4, concurrency=16)
        disk = tmp_path / "run"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "none", str(disk)], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
        try:
            yield run
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def room(run, kilobytes):
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(run.folder / "run")], check=True)


def sweep(run, seed):
    """The disk fills up again and again, each time a little later."""
    chance = random.Random(seed)
    size, fills = 120, 0
    while True:
        room(run, size := size + chance.randrange(40, 160))
        before = run.acknowledged()
        process = run.begin()
        status = process.wait(120)
        run.ends[len(run.starts) - 1] = time.time()
        assert before <= run.acknowledged()
        if status == 0:
            break
        fills += 1
        said = run.said()
        assert status in (1, 2), said
        assert "No space left on device" in said
        assert "Traceback" not in said
        torn = [path for path in run.traces.glob("*.jsonl") if not (b"\n" + path.read_bytes()).endswith(b"\n")]
        assert not torn, "the half-written line was not cut off"
    assert fills >= 2
    # The process lives on for a moment after the write that failed; what came back meanwhile has no place to go.
    run.check(grace=10.0)
    assert len(run.paid_twice()) <= fills * 2 * run.concurrency


def test_a_full_disk_loses_nothing_and_the_same_command_goes_on(run):
    sweep(run, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_more_full_disks(run, seed):
    sweep(run, seed)
