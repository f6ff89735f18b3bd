"""A run against a server with every fault at once, beside the same run without: wall time, and whether all came whole.

    python scripts/bench_faults.py [--prompts 5000] [--concurrency 64] [--latency 0.3] [--folder FOLDER]

The faulty server answers 2 % with status 500, resets 1 % of the connections, breaks the JSON of 1 %, cuts 5 % short
(`finish_reason: length`) and refuses everything with 429 in two storms of five seconds. An answer that was cut short is
an answer: it is kept, and not asked for again. Prints both wall times, and ends with status 1 if a sample is missing,
was paid for or counted twice, or if the faulty run took more than 1.5 times the clean one plus the storms.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.rig import Run, Server

FAULTS = ["--errors", "0.02", "--resets", "0.01", "--malformed", "0.01", "--truncate", "0.05"]
STORM = 5.0
STORMS = ["--storm", f"4:{STORM:g}", "--storm", f"16:{STORM:g}"]
ALLOWED = 1.5


def measure(folder: Path, flags: list[str], given: argparse.Namespace) -> tuple[float, Counter[str]]:
    """Seconds of a whole run, and what its server did."""
    with Server(folder.with_suffix(".server.jsonl"), ["--latency", str(given.latency), *flags]) as server:
        run = Run(folder, server, problems=given.prompts, samples=given.samples, concurrency=given.concurrency)
        start = time.monotonic()
        run.finish(timeout=600)
        seconds = time.monotonic() - start
        run.check(grace=0)
        kinds = Counter(exchange.kind for exchange in server.look())
        print(f"{folder.name:6} {seconds:6.1f} s for {len(run.acknowledged())} samples; the server: {shown(kinds)}")
        return seconds, kinds


def shown(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--folder", type=Path, help="where the runs lie; default: a temporary folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        clean, _ = measure(Path(folder) / "clean", [], given)
        faulty, kinds = measure(Path(folder) / "faulty", [*FAULTS, *STORMS], given)
    storms = 2 * STORM
    ratio = (faulty - storms) / clean
    print(
        f"without the storms' {storms:g} s the faulty run took {ratio:.2f} times the clean one (allowed: {ALLOWED:g})"
    )
    met = {"status 500", "status 429", "no answer", "garbled"} <= set(kinds)
    if not met:
        print("the run was over before every fault had come; take more prompts.")
    sys.exit(0 if met and ratio <= ALLOWED else 1)


if __name__ == "__main__":
    main()
