"""Distillation of a cut student by every kind of signal, beside the cross-entropy alone: held-out loss and accuracy.

    python scripts/measure_distill.py RUN FOLDER [--seeds 1 2 3] [--methods ce response ...] [--cut 6]

RUN is a finished run with a student (the quickstart's). Its student is the teacher; the student is the same model with
CUT of its layers taken out, spread over the depth, never the first or the last. Each method and seed trains it once on
RUN's corpus but for a share of its problems, and answers RUN's held-out benchmark, in a run directory of its own below
FOLDER: what is there already is not done again, so that the command can be stopped and given again.

    ce          cross-entropy alone (method: sft)
    response    forward KL                    feature     hidden states           attention   attention maps
    all         the three, brought to one scale (balance: ratio)
    stored      forward KL from the 64 stored log-probabilities of each position

Printed: a Markdown table, over all seeds. Held-out figures are means per token with the standard error over seeds;
accuracy has a 95 % interval over problems, and its difference to `ce` one of the paired differences.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

import pyarrow.parquet
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from sft import data
from sft.capture import capture
from sft.losses.cross_entropy import cross_entropy
from sft.losses.forward_kl import forward_kl
from sft.train import train
from sft.views import View
from tracegen import prepare, recipe
from tracegen.evaluate import named
from tracegen.models import resolve
from tracegen.sample import judged
from tracegen.stats import difference, mean
from tracegen.student import Distill

METHODS: dict[str, dict[str, Any] | None] = {
    "ce": None,
    "response": {"losses": {"forward_kl": {}}},
    "feature": {"losses": {"hidden": {}}},
    "attention": {"losses": {"attention": {}}},
    "all": {"losses": {"forward_kl": {}, "hidden": {}, "attention": {}}, "balance": "ratio"},
    "stored": {"losses": {"forward_kl": {}}},
}
STORED = 64
STEPS = {"learning_rate": 1.0e-4, "num_train_epochs": 2, "per_device_train_batch_size": 8}
"""The quickstart's own: two passes of its corpus are some 40,000 tokens."""
HELD_OUT = 0.15
MAX_LENGTH = 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--cut", type=int, default=6)
    given = parser.parse_args()
    teacher = given.folder / "teacher"
    if not teacher.exists():
        shutil.copytree(given.run / "student", teacher)
    base = given.folder / f"without-{given.cut}"
    if not base.exists():
        cut(teacher, base, given.cut)
    figures = {}
    for seed in given.seeds:
        for method in given.methods:
            figures[method, seed] = trained(given, method, seed, base, teacher)
            print(f"{method}, seed {seed}: {shown(figures[method, seed])}", file=sys.stderr, flush=True)
    print(table(figures, given.methods, given.seeds))


def cut(teacher: Path, out: Path, layers: int) -> None:
    """The teacher without `layers` of its layers."""
    model = AutoModelForCausalLM.from_pretrained(teacher)
    depth = len(model.model.layers)
    gone = {round((n + 0.5) * (depth - 2) / layers + 0.5) for n in range(layers)}
    kept = [layer for n, layer in enumerate(model.model.layers) if n not in gone]
    for n, layer in enumerate(kept):
        layer.self_attn.layer_idx = n
    model.model.layers = torch.nn.ModuleList(kept)
    model.config.num_hidden_layers = len(kept)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(teacher).save_pretrained(out)


def split(run: Path, folder: Path) -> tuple[Path, Path]:
    """The run's corpus in two files, all traces of a problem in one of them: to train on, and held out."""
    found = folder / "train.jsonl", folder / "held_out.jsonl"
    table = pyarrow.parquet.read_table(run / "corpus" / "data" / "curated", columns=["key", "problem_id", "messages"])
    problems = sorted(set(table["problem_id"].to_pylist()))
    held = set(Random(0).sample(problems, round(HELD_OUT * len(problems))))
    for path, wanted in zip(found, (False, True), strict=True):
        rows = (row for row in table.to_pylist() if (row["problem_id"] in held) is wanted)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return found


def trained(given: argparse.Namespace, method: str, seed: int, base: Path, teacher: Path) -> dict[str, Any]:
    """Train and evaluate in a copy of the run; figures of an earlier launch are read again."""
    folder = given.folder / f"{method}-{seed}"
    found = folder / "figures.json"
    if not found.is_file():
        if not folder.exists():
            unwanted = shutil.ignore_patterns("student", "eval", "scores.jsonl", "recipe*")
            shutil.copytree(given.run, folder, ignore=unwanted)
        path = given.folder / f"{method}-{seed}.yaml"
        own: dict[str, Any] = yaml.safe_load((given.run / "recipe.yaml").read_text())
        own["student"]["model"] = str(base)
        path.write_text(yaml.safe_dump(own, sort_keys=False))
        corpus, held_out = split(given.run, given.folder)
        if not (folder / "student").exists():
            train(
                corpus=str(corpus),
                model=str(base),
                out=folder / "student",
                work=folder / ".training",
                seed=seed,
                trainer=STEPS,
                max_length=MAX_LENGTH,
                **taught(given, method, corpus, teacher),
                progress=lambda line: print(f"{method}, seed {seed}: {line}", file=sys.stderr, flush=True),
            )
        arguments = [sys.executable, "-m", "tracegen.cli", "evaluate", str(path), "--run-dir", str(folder)]
        subprocess.run(arguments, check=True)
        log = [json.loads(line) for line in (folder / "student" / "log.jsonl").read_text().splitlines()]
        figures = {
            **apart(folder / "student", teacher, held_out),
            "tokens": log[-1]["tokens"],
            "seconds": log[-1]["seconds"],
            "right": rights(path, folder),
        }
        found.write_text(json.dumps(figures))
    kept: dict[str, Any] = json.loads(found.read_text())
    return kept


def taught(given: argparse.Namespace, method: str, corpus: Path, teacher: Path) -> dict[str, Any]:
    """Arguments of the training that are the method's own; what the teacher says is stored once, for all seeds."""
    if (chosen := METHODS[method]) is None:
        return {"method": "sft"}
    guide: dict[str, Any] = {"model": str(teacher)}
    if method == "stored":
        guide |= {"store": STORED, "by": "hf"}
        words = AutoTokenizer.from_pretrained(teacher)
        rows, _ = data.rows(str(corpus), words, max_length=MAX_LENGTH)
        signals = given.folder / "signals" / "whole"
        capture(signals, rows, teacher=resolve(str(teacher)), tokenizer=words, k=STORED, by="hf")
    return {
        "method": "distill",
        "distill": Distill.model_validate({"alpha": 0.5, "teachers": {"whole": guide}} | chosen),
        "teachers": {"whole": (str(teacher), None)},
        "signals": given.folder / "signals",
    }


@torch.no_grad()
def apart(student: Path, teacher: Path, held_out: Path) -> dict[str, float]:
    """Mean cross-entropy of the held-out traces and mean KL to the live teacher, per trained token, in float32."""
    words = AutoTokenizer.from_pretrained(student)
    rows, _ = data.rows(str(held_out), words, max_length=MAX_LENGTH)
    models = [AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (student, teacher)]
    sums = {"ce": 0.0, "kl": 0.0, "places": 0.0}
    for row in rows:
        ids, labels = torch.tensor([row.input_ids]), torch.tensor(row.labels[1:])
        trained = labels != data.IGNORED
        own, theirs = (View(model(ids).logits[0, :-1][trained]) for model in models)
        sums["ce"] += float(cross_entropy(own, None, labels[trained]).sum())
        sums["kl"] += float(forward_kl(own, theirs, labels[trained]).sum())
        sums["places"] += int(trained.sum())
    return {name: sums[name] / sums["places"] for name in ("ce", "kl")}


def rights(path: Path, folder: Path) -> dict[str, float]:
    """Whether the student's greedy answer to each held-out problem is right."""
    run = prepare.prepare(recipe.load(path), folder)
    problems = named(run.benchmarks)
    askers = [asker for asker in run.examinees() if asker.name == "after"]
    right = dict.fromkeys(problems, 0.0)
    for trace in judged(folder / "eval", problems=problems, askers=askers, judge=run.judge):
        right[trace.problem_id] = float(trace.verdict is not None and trace.verdict.outcome == "right")
    return right


def table(figures: Mapping[tuple[str, int], Mapping[str, Any]], methods: Sequence[str], seeds: Sequence[int]) -> str:
    """A row a method, over its seeds."""
    rows = ["| method | held-out CE | held-out KL to the teacher | pass@1 | against `ce` |", "|:--|--:|--:|--:|--:|"]
    right = {method: over_seeds([figures[method, seed]["right"] for seed in seeds]) for method in methods}
    for method in methods:
        ce, kl = (spread([figures[method, seed][name] for seed in seeds]) for name in ("ce", "kl"))
        rate = mean(right[method])
        cells = [method, ce, kl, f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})", ""]
        if method != "ce" and "ce" in right:
            gap = difference(right["ce"], right[method])
            cells[-1] = f"{100 * gap.value:+.1f} pp ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def over_seeds(found: Sequence[Mapping[str, float]]) -> list[float]:
    """The share of the seeds in which each problem is right."""
    return [fmean(each[problem] for each in found) for problem in sorted(found[0])]


def spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else ""
    return f"{fmean(values):.4f} ± {stdev(values) / math.sqrt(len(values)):.4f}"


def shown(figures: Mapping[str, Any]) -> str:
    right = 100 * fmean(figures["right"].values())
    return f"CE {figures['ce']:.4f}, KL {figures['kl']:.4f}, {right:.1f} % right; {figures['tokens']} tokens"


if __name__ == "__main__":
    main()
