"""SIGKILL at random moments of runs against a fake server: is any answer that had been sent asked for again?

    python scripts/bench_kill.py [--kills 50] [--prompts 2000] [--concurrency 8 256] [--folder FOLDER]

Each run is killed several times, at moments spread evenly over its answers, and then goes on to its end. The server
jitters its latency and logs when it read a request and when an answer had left. Prints, for each concurrency, how many
answers had left when a kill came, how old the oldest was that had to be asked again (`grace` is what is allowed), and
ends with status 1 if an older one was, or if a problem has not exactly its samples.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.rig import Run, Server

KILLS_A_RUN = 5


def sweep(folder: Path, concurrency: int, kills: int, given: argparse.Namespace, moments: random.Random) -> list[float]:
    """One run of all prompts, killed so many times; the ages of the answers that were asked again."""
    latency = ["--latency", str(given.latency), "--jitter", str(given.jitter)]
    with Server(folder.with_suffix(".server.jsonl"), latency) as server:
        run = Run(folder, server, problems=given.prompts, samples=1, concurrency=concurrency)
        places = sorted(moments.randrange(int(0.9 * given.prompts)) for _ in range(kills))
        for before, place in zip([0, *places], places, strict=False):
            process = run.launch(answers=place - before)
            time.sleep(moments.uniform(0, 0.1))
            run.kill(process)
        run.finish()
        run.check(grace=float("inf"))
        return run.paid_twice()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 256])
    parser.add_argument("--latency", type=float, default=0.02, help="seconds, at least")
    parser.add_argument("--jitter", type=float, default=0.1, help="seconds on top, at most")
    parser.add_argument("--grace", type=float, default=0.1, help="seconds that an answer may have been on its way")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the runs lie; default: a temporary folder")
    given = parser.parse_args()
    moments, late = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for concurrency in given.concurrency:
            ages: list[float] = []
            for number in range(0, given.kills, KILLS_A_RUN):
                kills = min(KILLS_A_RUN, given.kills - number)
                ages += sweep(Path(folder) / f"{concurrency}-{number}", concurrency, kills, given, moments)
            sent = [age for age in ages if age > 0]
            late += sum(age > given.grace for age in sent)
            print(
                f"{concurrency} in flight, {given.kills} kills: every problem has exactly its samples; "
                f"asked again were {len(sent)} answers that had left before a kill, "
                f"{sum(age > given.grace for age in sent)} of them more than {1000 * given.grace:.0f} ms before "
                f"(the oldest {1000 * max(sent, default=0):.0f} ms).",
                flush=True,
            )
    sys.exit(1 if late else 0)


if __name__ == "__main__":
    main()
