"""Train a student on a corpus: load, train with TRL, resume, save.

Shape: `train(corpus=..., model=..., out=..., work=...)` writes the student's folder to `out` and returns the figures of
the run; checkpoints and the log live in `work` while it lasts.
Precision: weights and optimizer are float32 and the arithmetic is `dtype`; the student is saved in its base's dtype.
In weights of pure bf16 most of a small step rounds away: of SmolLM2-135M's, a step of 1e-5 moves 2 % and one of 1e-4
moves 16 %, and float32 weights cost no speed.
In several processes (`sft/launch.py`), the batch is that of one process times their number.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import transformers

from sft import assemble, checkpoints, hygiene, material, ordering, student
from sft.again import Source
from sft.attention import by_document
from sft.batches import StudentTrainer, table, with_blank
from sft.collate import Flat, Padded, lies_flat
from sft.distill import Distiller
from sft.guides import Lesson
from sft.held_out import Evaluation, Verify
from sft.load import adapter, compute_dtype, gathered, load, student_model
from sft.log import Log, Progress
from sft.material import Material
from sft.objective import Objective
from sft.schedule import Schedule
from sft.settings import check, config_of, on_cpu, refuse_loss, saves_itself, settings
from tracegen.material import OWN, Order, Part, Weights
from tracegen.progress import say
from tracegen.records import UsageError
from tracegen.student import HOW_CAPTURED, Distill, HeldOut

METHODS = ("sft", "distill", "on_policy")


def train(
    *,
    corpus: str,
    model: str,
    out: Path,
    work: Path,
    revision: str | None = None,
    method: str = "sft",
    seed: int = 1,
    max_length: int = 1024,
    data: Mapping[str, Part] | None = None,
    order: Order | None = None,
    weights: Weights | None = None,
    lora: Mapping[str, Any] | None = None,
    trainer: Mapping[str, Any] | None = None,
    distill: Distill | None = None,
    teachers: Mapping[str, tuple[str, str | None]] | None = None,
    signals: Path | None = None,
    dtype: str = "auto",
    attention: str | None = None,
    rope: Mapping[str, Any] | None = None,
    held_out: HeldOut | None = None,
    stop_after: int | None = None,
    verify: Verify | None = None,
    card: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    stop: Path | None = None,
) -> dict[str, Any]:
    """Train `model` on `corpus` and put the student into `out`; goes on from the last checkpoint in `work`.

    `data` mixes several corpora, of which `corpus` is the one named own; `order` and `weights` are the recipe's.
    `max_length` is in tokens; longer rows are dropped and counted. `trainer` holds TRL's SFTConfig names, `lora` the
    fields r, alpha, dropout and target_modules. `dtype` is the precision of the arithmetic: auto, float32, bfloat16 or
    float16. `rope` changes the student's rotary embedding. `held_out` and `stop_after` are the recipe's, `verify` says
    which answers are right. `card` holds what the student's card is to say of where it comes from (`sft/student.py`).
    `progress` is given each log line. The file `stop`, once it is there, has the effect of a Ctrl-C. Where a launcher
    started several processes, each calls this; the first one writes. Returns steps, loss, tokens, seconds and the
    hygiene counts.
    Raises UsageError for settings that cannot be, TracegenError for a corpus that cannot be trained on or a loss that
    is no number, KeyboardInterrupt after the checkpoint of a first Ctrl-C.
    """
    if method not in METHODS:
        raise UsageError(f"there is no training method {method!r}; the methods are {', '.join(METHODS)}.")
    distill = (distill or Distill()) if method != "sft" else None
    if distill and method == "on_policy":
        assemble.check_on_policy(distill, order=order, weights=weights, held_out=held_out)
    elif distill:
        assemble.check(distill)
        own = {name: (model, revision) for name, guide in distill.teachers.items() if guide.itself}
        teachers = own | dict(teachers or {})
    config = config_of(method)
    trainer = check(trainer or {}, config)
    ordering.check(order, weights, trainer)
    if method == "distill":
        refuse_loss(trainer, "method: distill")
    compute = compute_dtype(dtype, on_cpu=on_cpu(trainer))
    with _quiet():
        tokenizer = load(transformers.AutoTokenizer, model, revision)
        read = material.read(
            corpus,
            data,
            tokenizer,
            max_length=max_length,
            seed=seed,
            columns={given.by for given in (order, weights, distill and distill.several) if given},
            held_out=held_out,
            order=order,
            weights=weights,
        )
        if method == "on_policy":
            room = max_length - max(row.prompt for row in read.rows)
            trainer = {"max_completion_length": room} | trainer
        args = settings(
            trainer, work=work, seed=seed, max_length=max_length, compute=compute, lora=bool(lora), config=config
        )
        if args.process_index == 0:
            say(hygiene.table(read.counted))
        inputs = [model, revision, seed, max_length, dict(lora or {}), trainer, compute, attention]
        if distill:
            inputs += [distill.model_dump_json(exclude=HOW_CAPTURED), dict(teachers or {})]
        inputs += [json.dumps([order and order.model_dump(), read.hard, read.weights])]
        inputs += [held_out.model_dump() if held_out else None, stop_after, args.world_size, dict(rope or {})]
        with args.main_process_first(local=False, desc="look for a checkpoint"):
            checkpoint = checkpoints.last_whole(work, checkpoints.fingerprint(read.every, inputs))
        fresh = partial(student_model, model, revision, compute=compute, rope=rope)
        base, files_dtype = fresh(attention, longest=read.longest, lora=lora)
        ends = student.ends(base, tokenizer, read.counted.end_of_turn)
        log = Log(work / "log.jsonl", progress, resumed=checkpoint is not None)
        callbacks: list[Any] = [log] if saves_itself(trainer) else [log, checkpoints.ByTheClock()]
        given = {"model": base, "args": args, "tokenizer": tokenizer, "lora": lora, "callbacks": callbacks}
        if distill and method == "on_policy":
            from sft import on_policy

            asked = {"distill": distill, "teachers": teachers or {}, "compute": compute}
            run = _made(on_policy.trainer, rows=read.rows, ends=ends, **asked, **given)
        else:
            by_document(base, args.device)
            distilling = {}
            if distill:
                sources = _sources(corpus, data, held_out)
                lesson = Lesson(base, tokenizer, read.every, sources, compute, args.device, rope)
                distilling = assemble.parts(distill, lesson, teachers=teachers or {}, corpus=corpus, signals=signals)
            pack = max_length if trainer.get("packing") else None
            run = _made(_on_traces, read=read, order=order, pack=pack, distilling=distilling, **given)
        evaluation = None
        if held_out:
            evaluation = Evaluation(
                held_out,
                trainer=run,
                rows=read.held_out,
                table=table(read.held_out, None, first=len(read.rows)),
                ends=ends,
                max_length=max_length,
                stop_after=stop_after,
                verify=verify,
                resumed=checkpoint is not None,
            )
            run.add_callback(evaluation)
        stopping = checkpoints.StopCleanly(stop)
        run.add_callback(stopping)
        with stopping.listening():
            run.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if evaluation:
            evaluation.go_back()
        figures = {
            "method": method,
            "steps": run.state.global_step,
            "epochs": run.state.epoch,
            **log.figures(),
            "resumed_from": int(checkpoint.name.rpartition("-")[2]) if checkpoint else None,
            "device": str(args.device),
            "dtype": compute,
            "attention": base.config._attn_implementation,
            "hygiene": asdict(read.counted),
            "teachers": run.taught() if method == "distill" else None,
            "held_out": evaluation and evaluation.figures(),
        }
        chosen = {name: getattr(args, name) for name in student.SETTINGS if hasattr(args, name)} | trainer
        assemble.take_off(base)
        whole = gathered(run, lambda: fresh(None, longest=0)[0], lora)
        if run.is_world_process_zero():
            student.save(
                whole,
                tokenizer,
                out,
                log=log.lines,
                figures=figures,
                settings=chosen,
                lora=lora,
                dtype=files_dtype,
                base=model,
                card=card,
            )
            checkpoints.clear(work)
        run.accelerator.wait_for_everyone()
    return figures


def _sources(corpus: str, data: Mapping[str, Part] | None, held_out: HeldOut | None) -> list[Source]:
    """All corpora that rows are from, for who renders them once more."""
    parts = (data or {OWN: Part()}).items()
    found = [Source(p.corpus or corpus, "" if name == OWN else name, p.split, p.revision) for name, p in parts]
    return found + ([Source(held_out.corpus)] if held_out and held_out.corpus else [])


def _made(make: Callable[..., Any], **given: Any) -> Any:
    try:
        run = make(**given)
    except (ValueError, ImportError) as error:
        raise UsageError(f"TRL refuses the training: {' '.join(str(error).split())}") from None
    run.remove_callback(transformers.PrinterCallback)
    return run


def _on_traces(
    *,
    model: Any,
    args: Any,
    tokenizer: Any,
    lora: Mapping[str, Any] | None,
    callbacks: list[Any],
    read: Material,
    order: Order | None,
    pack: int | None,
    distilling: Mapping[str, Any],
) -> Any:
    """The trainer on the rows of `read`; `distilling` are further arguments of a Distiller."""
    if read.weights:
        distilling = {**(distilling or _alone()), "weights": read.weights}
    examples = table(read.rows, pack, bands=ordering.bands(read.hard) if read.hard else ())
    # A model with a state along the row cannot be told where the next document begins.
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    run = (Distiller if distilling else StudentTrainer)(
        model=model,
        args=args,
        train_dataset=with_blank(examples) if args.world_size > 1 else examples,
        data_collator=Flat() if lies_flat(model) else Padded(pad),
        processing_class=tokenizer,
        peft_config=adapter(lora) if lora else None,
        callbacks=callbacks,
        **distilling,
    )
    if order and read.hard:
        run.paced = ordering.paced(read.hard, examples["rows"], order, args)
    return run


def _alone() -> dict[str, Any]:
    """The cross-entropy and nothing else: what rows are weighed in where nobody is distilled."""
    return {"objective": Objective({}, alpha=Schedule("alpha", 1.0), temperature=lambda *_: 1.0), "teachers": []}


@contextmanager
def _quiet() -> Iterator[None]:
    """Progress bars and advice of the libraries stay off the terminal; their errors are raised anyway."""
    import warnings

    import datasets

    verbosity = transformers.utils.logging.get_verbosity()
    bars = transformers.utils.logging.is_progress_bar_enabled(), not datasets.are_progress_bars_disabled()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers.utils.logging.set_verbosity(verbosity)
        if bars[0]:
            transformers.utils.logging.enable_progress_bar()
        if bars[1]:
            datasets.enable_progress_bars()
