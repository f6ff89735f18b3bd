"""The student writes, the teacher corrects (`method: on_policy`): TRL's DistillationTrainer on the corpus' prompts.

    JSD_beta(p_t, p_s) at each token that the student has sampled itself; beta 1: the reverse KL, 0: the forward KL
    (Agarwal et al. 2024, "On-Policy Distillation of Language Models", GKD)

What a student is trained on is what it will meet when it answers alone. `trainer` holds the names of TRL's
DistillationConfig (beta, temperature, max_completion_length ...).
Limits: one teacher that runs beside the student and has its vocabulary; the traces of the corpus are not looked at.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import datasets
import torch
import transformers
from trl import DistillationTrainer

from sft.batches import Private
from sft.data import Row, decode
from sft.guides import fits, teacher_model
from sft.load import adapter, load
from sft.samplers import Shuffled
from sft.vocabulary import Shared
from tracegen.records import UsageError
from tracegen.student import Distill, Guide


class InTurn(Shuffled):
    """Indices of the prompts, `batch` of them as often in a row as they are trained on."""

    def __init__(self, size: int, batch: int, times: int, seed: int) -> None:
        super().__init__(size, seed)
        self.batch, self.times = batch, times

    def __len__(self) -> int:
        return -(-self.size // self.batch) * self.batch * self.times

    def __iter__(self) -> Iterator[int]:
        order = list(super().__iter__())
        for start in range(0, self.size, self.batch):
            # The last batch is filled up from the front: TRL would drop it.
            some = [order[place % self.size] for place in range(start, start + self.batch)]
            yield from some * self.times


class OnPolicy(Private, DistillationTrainer):  # type: ignore[misc]
    """TRL's trainer on prompts that we have rendered, with a sampler that can be resumed, and without calls home."""

    def __init__(self, *args: Any, prompts: Mapping[str, list[int]], **kwargs: Any) -> None:
        self.prompts = prompts
        self._before: int | None = None
        super().__init__(*args, **kwargs)

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self.prompts[prompt] for prompt in prompts], None, {}

    def _get_train_sampler(self, dataset: Any = None) -> InTurn:
        times = self.args.gradient_accumulation_steps
        batch = self.args.per_device_train_batch_size * self.accelerator.num_processes * times
        given: Any = self.train_dataset if dataset is None else dataset
        return InTurn(len(given), batch, times, self.args.seed)

    def _generate(self, prompts: list[str]) -> Any:
        if self._before is None:
            # A resumed trainer goes on counting; the log counts from its last start.
            self._before = self.state.num_input_tokens_seen
        found = super()._generate(prompts)
        student: Any = self.model
        self._metrics["train" if student.training else "eval"]["num_tokens"] = [
            self.state.num_input_tokens_seen - self._before
        ]
        return found


def trainer(
    *,
    model: Any,
    args: Any,
    tokenizer: Any,
    lora: Mapping[str, Any] | None,
    callbacks: Sequence[Any],
    rows: Sequence[Row],
    distill: Distill,
    teachers: Mapping[str, tuple[str, str | None]],
    compute: str,
    ends: list[int],
) -> OnPolicy:
    """The trainer on the rows' prompts, each once an epoch; a completion stops at `ends`."""
    if len(teachers) != 1:
        raise UsageError(f"`method: on_policy` takes one teacher, not {len(teachers)}; name it in `distill.teachers`.")
    ((name, at),) = teachers.items()
    words = load(transformers.AutoTokenizer, *at)
    teacher = teacher_model(distill.teachers.get(name, Guide()), at, compute)
    _same_vocabulary(model, teacher, tokenizer, words, rows)
    fits(teacher, rows, name)
    prompts = {decode(ids, tokenizer): ids for row in rows if (ids := row.input_ids[: row.prompt])}
    model.generation_config.eos_token_id = ends
    return OnPolicy(
        model=model,
        teacher_model=teacher.eval().requires_grad_(False),
        args=args,
        train_dataset=datasets.Dataset.from_dict({"prompt": list(prompts)}),
        processing_class=tokenizer,
        peft_config=adapter(lora) if lora else None,
        callbacks=list(callbacks),
        prompts=prompts,
    )


def _same_vocabulary(student: Any, teacher: Any, own: Any, theirs: Any, rows: Sequence[Row]) -> None:
    """Every token has one number on both sides; rows of the teacher's head that stand for none are cut off."""
    shared = Shared(own, theirs)
    columns = [shared.student_columns, shared.teacher_columns]
    if not all(isinstance(known, slice) and known.stop == len(own) for known in columns):
        raise UsageError(
            f"{theirs.name_or_path} numbers its tokens otherwise than {own.name_or_path}, and this method needs one "
            "vocabulary; distil from its traces (`method: sft`) or by spans (`method: distill`, `align: spans`)."
        )
    shared.check(rows, own, theirs)
    size = student.get_output_embeddings().weight.shape[0]
    if teacher.get_output_embeddings().weight.shape[0] < size:
        raise UsageError(
            f"the head of {theirs.name_or_path} has fewer rows than the student's {size}; take another teacher."
        )
    if teacher.get_output_embeddings().weight.shape[0] > size:
        with torch.no_grad():
            teacher.resize_token_embeddings(size)
