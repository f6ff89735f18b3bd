"""The scripts for Slurm, with stand-ins for the commands that it calls: nodes, signals, requeueing."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tracegen import shipped

SCRIPT = Path(shipped.__file__).parents[1] / "scripts" / "slurm" / "ray.sbatch"
COMMANDS = {
    "scontrol": '[ "$1" = show ] && printf "n1\\nn2\\nn3\\n" || echo "$@" >> requeued',
    "srun": 'while [ "${1#-}" != "$1" ]; do [ "$1" = -w ] && shift; shift; done; exec "$@"',
    "hostname": "echo 10.0.0.1 fe80::1",
    "ray": 'echo "$@" >> ray; [ "$1" = stop ] || exec sleep 30',
    "python": 'cat > /dev/null; grep -c "^start" ray',
}
NODES = ["--head --node-ip-address=10.0.0.1 --port=6379", "--address=10.0.0.1:6379", "--address=10.0.0.1:6379"]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
Job = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Starts the script where `tracegen` is the given command."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "activate").write_text(f'export PATH="{folder}:$PATH"\n')

    def start(tracegen: str, *arguments: str) -> "subprocess.Popen[str]":
        for name, body in {**COMMANDS, "tracegen": tracegen}.items():
            (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
            (folder / name).chmod(0o755)
        environment = {"PATH": os.environ["PATH"], "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_ID": "77"}
        return subprocess.Popen(
            ["bash", str(SCRIPT), *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def ended(process: "subprocess.Popen[str]") -> str:
    """What a job said, once its script has ended; what it left running is ended too, as Slurm does."""
    try:
        process.wait(timeout=30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    return process.stdout.read()


def test_every_node_joins_and_the_run_gets_its_arguments(job: Job, tmp_path: Path) -> None:
    process = job('echo "$RAY_ADDRESS $@" > called', "mine.yaml", "problems.limit=4")
    said = ended(process)
    assert process.returncode == 0, said
    assert "3 of 3 nodes are there" in said
    assert (tmp_path / "called").read_text() == "10.0.0.1:6379 run mine.yaml problems.limit=4\n"
    lines = (tmp_path / "ray").read_text().splitlines()
    assert lines[:3] == [f"start --block --disable-usage-stats {how}" for how in NODES]
    assert lines[3].startswith("stop")
    assert not (tmp_path / "requeued").exists()


def test_the_signal_before_the_time_limit_reaches_the_run_and_the_job_is_requeued(job: Job, tmp_path: Path) -> None:
    process = job("trap 'echo told > told; exit 130' TERM; touch running; while :; do sleep 0.1; done", "mine.yaml")
    deadline = time.monotonic() + 30
    while not (tmp_path / "running").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    said = ended(process)
    assert process.returncode == 130, said
    assert (tmp_path / "told").exists()
    assert (tmp_path / "requeued").read_text() == "requeue 77\n"


@pytest.mark.parametrize("status", [1, 2, 3])
def test_a_run_that_ends_by_itself_is_not_requeued(job: Job, tmp_path: Path, status: int) -> None:
    process = job(f"exit {status}", "mine.yaml")
    assert f"exit status {status}" in ended(process)
    assert process.returncode == status
    assert not (tmp_path / "requeued").exists()


def test_the_processes_of_a_training_find_the_configuration_that_tracegen_comes_with(tmp_path: Path) -> None:
    for name, body in {"accelerate": 'printf "%s\\n" "$@"', "python": f'exec {sys.executable} "$@"'}.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_NNODES": "2", "SLURM_NODEID": "1", "SLURM_GPUS_ON_NODE": "4", "MAIN_NODE": "n1"}
    slurm |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(SCRIPT.parents[2])}

    def launched(**more: str) -> list[str]:
        command = ["bash", str(SCRIPT.with_name("processes.sh")), "-m", "sft.launch", "folder"]
        done = subprocess.run(command, cwd=tmp_path, env=slurm | more, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    said = launched()
    given = dict(itertools.pairwise(said))
    assert Path(given["--config_file"]).samefile(SCRIPT.parents[2] / "recipes" / "accelerate" / "fsdp2.yaml")
    assert (given["--num_processes"], given["--machine_rank"]) == ("8", "1")
    assert said[-3:] == ["-m", "sft.launch", "folder"]
    assert dict(itertools.pairwise(launched(CONFIG="mine.yaml")))["--config_file"] == "mine.yaml"


def test_without_a_recipe_the_usage_is_said(job: Job) -> None:
    process = job("true")
    assert "usage: sbatch" in ended(process)
    assert process.returncode == 2
