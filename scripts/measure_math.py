"""How often the math verifier is right about rewritten MATH-500 answers, with math-verify on the very same pairs.

    python scripts/measure_math.py FOLDER [--pairs 4000] [--seed 1] [--workers 2] [--json] [--disagreements FILE]

FOLDER holds `math500/test.jsonl`. Prints accuracy with its 95 % interval, false positives and false negatives of both,
and a table of families. Anything but `right` counts as not right.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rewrite_math500 import Pair, pairs
from rewrites import peer

from tracegen.grade import grade
from tracegen.stats import mean


def ours(given: Sequence[Pair], workers: int) -> list[dict[str, Any]]:
    lines = (json.dumps({"gold": pair.gold, "pred": pair.pred}) for pair in given)
    return list(grade(lines, verifier="math", workers=workers))


def summary(given: Sequence[Pair], right: Sequence[bool]) -> dict[str, Any]:
    agreed = [said == pair.expected for pair, said in zip(given, right, strict=True)]
    families: dict[str, list[bool]] = defaultdict(list)
    for pair, agrees in zip(given, agreed, strict=True):
        families[f"{'keeps' if pair.expected else 'breaks'} {pair.family}"].append(agrees)
    return {
        **mean([float(agrees) for agrees in agreed])._asdict(),
        "pairs": len(given),
        "false_positives": sum(said and not pair.expected for pair, said in zip(given, right, strict=True)),
        "false_negatives": sum(pair.expected and not said for pair, said in zip(given, right, strict=True)),
        "families": {name: sum(found) / len(found) for name, found in sorted(families.items())},
    }


def table(summaries: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, found in summaries.items():
        interval = f"{found['value']:.4f} ({found['low']:.4f} to {found['high']:.4f})"
        misses = f"{found['false_positives']} false positives, {found['false_negatives']} false negatives"
        lines.append(f"{name:12} {interval} of {found['pairs']} pairs, {misses}")
    mine, theirs = (found["families"] for found in summaries.values())
    lines += ["", f"{'family':40}" + "".join(f"{name:>14}" for name in summaries)]
    lines += [f"{family:40}{mine[family]:14.3f}{theirs[family]:14.3f}" for family in mine]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--disagreements", type=Path, help="where to write our disagreements, as JSON lines")
    arguments = parser.parse_args()
    given = pairs(arguments.folder, count=arguments.pairs, seed=arguments.seed)
    verdicts = ours(given, arguments.workers)
    mine = [verdict.get("outcome") == "right" for verdict in verdicts]
    theirs = list(peer.judged((pair.gold, pair.pred) for pair in given))
    summaries = {"tracegen": summary(given, mine), "math-verify": summary(given, theirs)}
    print(json.dumps(summaries) if arguments.json else table(summaries))
    if arguments.disagreements:
        with arguments.disagreements.open("w", encoding="utf-8") as file:
            for pair, said, verdict in zip(given, mine, verdicts, strict=True):
                if said != pair.expected:
                    file.write(json.dumps(asdict(pair) | verdict, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
