"""Distillation of a cut student by every kind of signal, beside the cross-entropy alone: held-out loss and accuracy.

    python scripts/measure_distill.py RUN FOLDER [--seeds 1 2 3] [--methods ce response ...] [--cut 6]

RUN is a finished run with a student (the quickstart's). Its student is the teacher; the student is the same model with
CUT of its layers taken out, spread over the depth, never the first or the last. Each method and seed trains it once on
RUN's corpus but for a share of its problems, and answers RUN's held-out benchmark, in a folder of its own below FOLDER:
what is there already is not done again, so that the command can be stopped and given again.

    ce          cross-entropy alone (method: sft)
    response    forward KL                    feature     hidden states           attention   attention maps
    all         the three, brought to one scale (balance: ratio)
    stored      forward KL from the 64 stored log-probabilities of each position

Printed: a Markdown table, over all seeds, with the teacher and the untrained student on top. Held-out figures are means
per token with the standard error over seeds; accuracy has a 95 % interval over problems, and its difference to `ce` one
of the paired differences.
"""

import argparse
import json
import math
import shutil
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

from sft.capture import capture
from sft.losses.cross_entropy import cross_entropy
from sft.losses.forward_kl import forward_kl
from sft.mixture import rows as rendered
from sft.train import train
from sft.views import View
from tracegen import prepare, recipe
from tracegen.evaluate import named
from tracegen.models import resolve
from tracegen.sample import judged, sample
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
STEPS = {"learning_rate": 1.0e-4, "num_train_epochs": 1, "per_device_train_batch_size": 8}
"""The quickstart's own, but for one pass: some 17,000 tokens."""
SHARE = 0.15
"""Of the problems, held out."""
TRAIN, HELD_OUT = "train.jsonl", "held_out.jsonl"
MAX_LENGTH = 1024
ANSWERED = {"engine": "hf", "options": {"batch_size": 40}}
"""A model that answers once is done sooner without vLLM's half minute of loading."""


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
    split(given.run, given.folder)
    alone = {
        name: measured(given, given.folder / f"{name}-0", model, teacher)
        for name, model in {"teacher": teacher, "untrained": base}.items()
    }
    figures = {}
    for seed in given.seeds:
        for method in given.methods:
            figures[method, seed] = trained(given, method, seed, base, teacher)
            print(f"{method}, seed {seed}: {shown(figures[method, seed])}", file=sys.stderr, flush=True)
    print(table(alone, figures, given.methods, given.seeds))


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


def split(run: Path, folder: Path) -> None:
    """The run's corpus in two files, all traces of a problem in one of them: to train on, and held out."""
    table = pyarrow.parquet.read_table(run / "corpus" / "data" / "curated", columns=["key", "problem_id", "messages"])
    problems = sorted(set(table["problem_id"].to_pylist()))
    held = set(Random(0).sample(problems, round(SHARE * len(problems))))
    for name, wanted in ((TRAIN, False), (HELD_OUT, True)):
        rows = (row for row in table.to_pylist() if (row["problem_id"] in held) is wanted)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def trained(given: argparse.Namespace, method: str, seed: int, base: Path, teacher: Path) -> dict[str, Any]:
    """Figures of a student, trained if it is not there yet."""
    folder = given.folder / f"{method}-{seed}"
    if not (folder / "student").exists():
        corpus = given.folder / TRAIN
        train(
            corpus=str(corpus),
            model=str(base),
            out=folder / "student",
            work=folder / "training",
            seed=seed,
            trainer=STEPS,
            max_length=MAX_LENGTH,
            **taught(given, method, corpus, teacher),
            progress=lambda line: print(f"{method}, seed {seed}: {line}", file=sys.stderr, flush=True),
        )
    log = [json.loads(line) for line in (folder / "student" / "log.jsonl").read_text().splitlines()]
    return {"tokens": log[-1]["tokens"]} | measured(given, folder, folder / "student", teacher)


def measured(given: argparse.Namespace, folder: Path, model: Path, teacher: Path) -> dict[str, Any]:
    """Figures of a model, those of an earlier launch read again."""
    found = folder / "figures.json"
    if not found.is_file():
        figures = {**apart(model, teacher, given.folder / HELD_OUT), "right": rights(given.run, folder, model)}
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
        rows, _ = rendered(str(corpus), words, max_length=MAX_LENGTH)
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
    rows, _ = rendered(str(held_out), words, max_length=MAX_LENGTH)
    models = [AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32) for path in (student, teacher)]
    sums = {"ce": 0.0, "kl": 0.0, "places": 0.0}
    for row in rows:
        ids, trained = torch.tensor([row.input_ids]), torch.tensor(row.trained)
        own, theirs = (View(model(ids).logits[0, row.places]) for model in models)
        sums["ce"] += float(cross_entropy(own, None, trained).sum())
        sums["kl"] += float(forward_kl(own, theirs, trained).sum())
        sums["places"] += len(row.places)
    return {name: sums[name] / sums["places"] for name in ("ce", "kl")}


def rights(finished: Path, folder: Path, model: Path) -> dict[str, float]:
    """Whether the model's greedy answer to each of the run's held-out problems is right, asked as its student is."""
    own: dict[str, Any] = yaml.safe_load((finished / "recipe.yaml").read_text())
    own["student"]["model"] = str(model)
    own["evaluate"] |= ANSWERED
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(own, sort_keys=False))
    run = prepare.prepare(recipe.load(path), folder)
    problems = named(run.benchmarks)
    askers = [asker for asker in run.examinees() if asker.name == "before"]
    sample(folder / "eval", problems=problems, askers=askers, judge=run.judge, stage="evaluate")
    right = dict.fromkeys(problems, 0.0)
    for trace in judged(folder / "eval", problems=problems, askers=askers, judge=run.judge):
        right[trace.problem_id] = float(trace.verdict is not None and trace.verdict.outcome == "right")
    run.close()
    return right


def table(
    alone: Mapping[str, Mapping[str, Any]],
    figures: Mapping[tuple[str, int], Mapping[str, Any]],
    methods: Sequence[str],
    seeds: Sequence[int],
) -> str:
    """A row each for those that were not trained here, and for each method over its seeds."""
    rows = ["| | held-out CE | held-out KL to the teacher | pass@1 | against `ce` |", "|:--|--:|--:|--:|--:|"]
    several = {name: [found] for name, found in alone.items()}
    several |= {method: [figures[method, seed] for seed in seeds] for method in methods}
    right = {name: over_seeds([each["right"] for each in found]) for name, found in several.items()}
    for name, found in several.items():
        ce, kl = (spread([each[figure] for each in found]) for figure in ("ce", "kl"))
        rate = mean(right[name])
        cells = [name, ce, kl, f"{100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})", ""]
        if name in methods and name != "ce" and "ce" in right:
            gap = difference(right["ce"], right[name])
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
