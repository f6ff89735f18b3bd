"""A whole `tracegen generate` against a bare `AsyncOpenAI` loop: wall time, processor time, memory.

    python scripts/bench_client.py [--prompts 2000] [--in-flight 256] [--rounds 3] [--more 8000]

The server is a process of its own (50 ms, answers of 200 tokens with a separate `reasoning`, every request logged). The
bare loop (a semaphore around `chat.completions.create`, the package's own transport) writes nothing. Ours is the
command as a user types it: start-up, durable ledger, verdicts. The two take turns; a side's processor time is that of
its process and of all that it started, with its worker processes shown apart; its memory is the peak of the main
process (VmHWM). Then ours once more with `--more` prompts. Prints a line a run and the ratios of the medians.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.rig import Server

ROOT = Path(__file__).parents[1]
BARE = """
import asyncio, sys
from openai import AsyncOpenAI

async def main(base_url, prompts, in_flight):
    slots = asyncio.Semaphore(in_flight)
    client = AsyncOpenAI(base_url=base_url, api_key="none")
    async def ask(number):
        async with slots:
            messages = [{"role": "user", "content": f"What is {number} + 4?"}]
            return await client.chat.completions.create(
                model="fake", messages=messages, temperature=1.0, max_tokens=2048, seed=number)
    answers = await asyncio.gather(*(ask(number) for number in range(prompts)))
    assert all(answer.choices[0].message.content for answer in answers)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall: float
    cpu: float
    workers: float
    """Of the processor time, what processes took that the main one started."""
    memory: float
    """MB."""


def run(command: list[str]) -> Cost:
    """Run to the end; the children of the command are reaped by it, so that their time can be told apart."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak, own = 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            break
        if "VmHWM" in status:
            peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
            own = (int(fields[11]) + int(fields[12])) / ticks
        time.sleep(0.02)
    said = process.communicate()[1]
    wall = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(command[:4])} ended with status {process.returncode}:\n{said[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, max(0.0, cpu - own), peak)


def bare(base_url: str, prompts: int, in_flight: int) -> Cost:
    return run([sys.executable, "-c", BARE, base_url, str(prompts), str(in_flight)])


def house(base_url: str, prompts: int, in_flight: int, verifier: str) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        problems = Path(folder) / "problems.jsonl"
        rows = ({"id": f"p{n}", "statement": f"What is {n} + 4?", "answer": str(n + 4)} for n in range(prompts))
        problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
        options = {"base_url": base_url, "concurrency": in_flight}
        recipe = {
            "name": "bench",
            "problems": {"source": "jsonl", "path": str(problems)},
            "prompt": "math",
            "teachers": {"fake": {"engine": "openai", "model": "fake", "reasoning": "native", "options": options}},
            "verifiers": {verifier: {}},
        }
        path = Path(folder) / "bench.json"
        path.write_text(json.dumps(recipe))
        cost = run([sys.executable, "-m", "tracegen.cli", "generate", str(path), "--run-dir", f"{folder}/run"])
        written = sum(
            file.read_bytes().count(b'"completion_tokens"') for file in Path(folder).glob("run/traces/*.jsonl")
        )
        sealed = list(Path(folder).glob("run/traces/*.parquet"))
        if not sealed and written != prompts:
            sys.exit(f"{written} answers stand in the ledger, not {prompts}")
        return cost


def show(name: str, prompts: int, cost: Cost) -> None:
    print(
        f"{name:12} {prompts:6} prompts  wall {cost.wall:6.2f} s  cpu {cost.cpu:6.2f} s "
        f"(of it in workers {cost.workers:5.2f} s)  memory {cost.memory:5.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--more", type=int, default=8000, help="0: leave it out")
    parser.add_argument("--verifier", default="exact")
    given = parser.parse_args()
    if find_spec("openai") is None:
        sys.exit("the other side is the package openai, which is not installed; get it with: pip install openai")
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--latency", "0.05", "--words", "200", "--reasoning", "reasoning"]
        with Server(Path(folder) / "server.jsonl", flags) as server:
            sides: dict[str, list[Cost]] = {"AsyncOpenAI": [], "tracegen": []}
            for _ in range(given.rounds):
                sides["AsyncOpenAI"].append(bare(server.base_url, given.prompts, given.in_flight))
                show("AsyncOpenAI", given.prompts, sides["AsyncOpenAI"][-1])
                sides["tracegen"].append(house(server.base_url, given.prompts, given.in_flight, given.verifier))
                show("tracegen", given.prompts, sides["tracegen"][-1])
            wall, cpu, workers, memory = (
                [statistics.median(getattr(cost, name) for cost in costs) for costs in sides.values()]
                for name in ("wall", "cpu", "workers", "memory")
            )
            own = (cpu[1] - workers[1]) / cpu[0]
            print(
                f"medians: wall {wall[1] / wall[0]:.2f} times, cpu {cpu[1] / cpu[0]:.2f} times (main process alone "
                f"{own:.2f}), memory {memory[1]:.0f} MB"
            )
            if given.more:
                more = house(server.base_url, given.more, given.in_flight, given.verifier)
                show("tracegen", given.more, more)
                print(f"growth: wall {more.wall / wall[1]:.2f} times, memory {more.memory / memory[1]:.2f} times")


if __name__ == "__main__":
    main()
