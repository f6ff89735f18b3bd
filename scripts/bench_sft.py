"""Training tokens per second of ours beside plain TRL: the same rows, model, batch size and precision, taking turns.

    python scripts/bench_sft.py --model FOLDER [--against defaults]
    python scripts/bench_sft.py --model FOLDER --against defaults

Each side is a process of its own, so that TRL is as it comes from the package; they take turns step by step, and the
one that waits holds no processor. Where the machine has other work, the processor's time says more than the clock.
Tokens are those of the rows, padding aside. The first step of each side warms it up
and is not counted. `--against equal` gives TRL our precision, checkpointing and optimizer; `defaults` leaves all to it.
The traces' lengths are a fixed list, long-tailed like those of reasoning traces.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LENGTHS = [
    61,
    74,
    83,
    90,
    98,
    107,
    117,
    126,
    135,
    146,
    158,
    171,
    186,
    203,
    222,
    245,
    272,
    305,
    347,
    402,
    480,
    601,
    811,
    1180,
]
"""Words of the traces: the 24 quantiles of a log-normal with median 180 and sigma 0.75, rounded."""
LONGEST = 4096


def corpus(path: Path, rows: int, scale: float) -> str:
    """Chats of the fixed lengths, in a fixed order that is not sorted."""
    with path.open("w") as file:
        for number in range(rows):
            words = LENGTHS[number * 7 % len(LENGTHS)]
            thought = " ".join(f"step {(number * 31 + step) % 97} of it" for step in range(round(words * scale / 4)))
            trace = f"<think>\n{thought}\n</think>\n\nThe answer is {number}."
            chat = [
                {"role": "user", "content": f"What is {number} plus nothing?"},
                {"role": "assistant", "content": trace},
            ]
            file.write(json.dumps({"key": f"row-{number}", "messages": chat}) + "\n")
    return str(path)


def turns(pipe: Connection) -> Callable[..., None]:
    """Called behind every step: tells how long it took, and waits for the next turn."""
    began = time.monotonic(), time.process_time()

    def stepped(*_: Any) -> None:
        nonlocal began
        pipe.send((time.monotonic() - began[0], time.process_time() - began[1]))
        pipe.recv()
        began = time.monotonic(), time.process_time()

    return stepped


def ours(pipe: Connection, given: argparse.Namespace, folder: Path) -> None:
    """`sft.train.train` on the corpus."""
    from sft.train import train

    trainer = {"per_device_train_batch_size": given.batch, "num_train_epochs": given.epochs, "save_strategy": "no"}
    pipe.recv()
    train(
        corpus=str(folder / "corpus.jsonl"),
        model=given.model,
        out=folder / "student",
        work=folder / "work",
        max_length=LONGEST,
        dtype=given.dtype,
        trainer=trainer,
        progress=turns(pipe),
    )
    pipe.send(None)


def plain(pipe: Connection, given: argparse.Namespace, folder: Path) -> None:
    """TRL's SFTTrainer on the same ids and labels."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Turns(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.stepped = turns(pipe)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.stepped()

    rows = json.loads((folder / "rows.json").read_text())
    options: dict[str, Any] = {
        "output_dir": str(folder / "plain"),
        "per_device_train_batch_size": given.batch,
        "num_train_epochs": given.epochs,
        "max_length": None,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }
    if given.against == "equal":
        options |= {"bf16": given.dtype == "bfloat16", "gradient_checkpointing": not given.cpu, "learning_rate": 2e-5}
    if given.cpu:
        options["use_cpu"] = True
    pipe.recv()
    SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32),
        args=SFTConfig(**options),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(given.model),
        callbacks=[Turns()],
    ).train()
    pipe.send(None)


def prepared(given: argparse.Namespace, folder: Path) -> int:
    """Write the corpus and its rows; the tokens of one epoch."""
    from transformers import AutoTokenizer

    from sft.mixture import rows

    found, _ = rows(
        corpus(folder / "corpus.jsonl", given.rows, given.scale),
        AutoTokenizer.from_pretrained(given.model),
        max_length=LONGEST,
    )
    (folder / "rows.json").write_text(json.dumps([{"input_ids": row.input_ids, "labels": row.labels} for row in found]))
    lengths = sorted(len(row.input_ids) for row in found)
    middle = lengths[len(lengths) // 2]
    print(f"{len(found)} rows, {sum(lengths):,} tokens; shortest {lengths[0]}, median {middle}, longest {lengths[-1]}")
    return sum(lengths)


def run(given: argparse.Namespace, folder: Path) -> Mapping[str, list[tuple[float, float]]]:
    """Seconds and processor seconds of every step but the first, of either side."""
    context = multiprocessing.get_context("spawn")
    sides: dict[str, Connection] = {}
    seconds: dict[str, list[tuple[float, float]]] = {}
    for name, side in {"ours": ours, "plain": plain}.items():
        sides[name], theirs = context.Pipe()
        context.Process(target=side, args=(theirs, given, folder), daemon=True).start()
        theirs.close()
        seconds[name] = []
    waiting = list(sides)
    while waiting:
        for name in list(waiting):
            sides[name].send("go")
            try:
                took = sides[name].recv()
            except EOFError:
                raise SystemExit(f"{name} died, for want of memory perhaps; try a smaller --batch.") from None
            if took is None:
                waiting.remove(name)
            else:
                seconds[name].append(took)
    return {name: took[1:] for name, took in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="a model folder")
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--scale", type=float, default=0.5, help="of the lengths")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3, help="the first of them has the step that warms up")
    parser.add_argument("--threads", type=int, default=None, help="of torch; on a busy machine, 1")
    parser.add_argument("--against", choices=["equal", "defaults"], default="equal")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    given = parser.parse_args()
    import torch

    given.cpu = not torch.accelerator.is_available()
    if given.threads:
        os.environ["OMP_NUM_THREADS"] = str(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        tokens = prepared(given, Path(folder))
        seconds = run(given, Path(folder))
    steps = -(-given.rows // given.batch)
    for kind, clock in enumerate(("tokens/s", "tokens per processor second")):
        rates = {}
        for name, took in seconds.items():
            # Whole epochs behind the one that warmed up, so that both sides have seen the same tokens.
            epochs = [sum(step[kind] for step in took[at : at + steps]) for at in range(steps - 1, len(took), steps)]
            rates[name] = tokens / statistics.median(epochs)
            print(f"{name}: {rates[name]:.0f} {clock} ({', '.join(f'{tokens / each:.0f}' for each in epochs)})")
        print(f"ours / plain TRL ({given.against}), {clock}: {rates['ours'] / rates['plain']:.2f}")


if __name__ == "__main__":
    main()
