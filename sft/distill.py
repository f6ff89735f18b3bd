"""One trainer for all that a student learns from teachers: TRL's, with the sum of `sft/objective.py` as its loss.

Shape: `Distiller(..., objective=, teachers=, pairs=)`. The student's body runs once a batch; teachers are asked first,
outside of its graph; the loss is computed inside the student's forward (`sft/heads.py`), so that wrappers work.
What goes on from step to step (balance, projections) has a part of its own in each checkpoint, because an adapter's
checkpoint holds nothing of the base.
Limits: TRL's fused head gives no logits, so its loss is not used here; with alpha 1 the loss is that of `method: sft`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from sft.balance import Balance
from sft.batches import StudentTrainer
from sft.heads import open_head
from sft.itself import Average, Deeper, Teacher
from sft.objective import CE, Look, Objective
from sft.places import Places, model_inputs
from sft.projections import NAME as PROJECTIONS
from sft.projections import Projections
from sft.views import View
from sft.watching import Watch

STATE = "distill.pt"
"""In a checkpoint: what is neither weights nor optimizer."""


class Distiller(StudentTrainer):
    """Trains the student on the objective. `projections` hang on the student while it is trained."""

    def __init__(
        self,
        *args: Any,
        objective: Objective,
        teachers: Sequence[Teacher],
        projections: Projections | None = None,
        balance: Balance | None = None,
        watched: Watch | None = None,
        attention: Sequence[int] = (),
        window: int = 1,
        weights: Sequence[float] | None = None,
        averages: Sequence[Average] = (),
        deeper: Deeper | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.objective: Objective = objective
        self.teachers: Sequence[Teacher] = teachers
        self.projections, self.balance, self.watched = projections, balance or Balance({}), watched
        self.attention, self.window = attention, window
        self.averages, self.deeper = averages, deeper
        self.weights = None if weights is None else torch.tensor(weights)
        student: Any = self.model
        self.student: Any = student.get_base_model() if hasattr(student, "get_base_model") else student
        student = self.student
        open_head(student)
        self._sums: dict[str, dict[str, torch.Tensor]] = {
            mode: defaultdict(_zero) for mode in ("train", "eval", "step")
        }
        self.kept: dict[str, Any] = {"balance": self.balance}
        self.kept |= {f"average_{number}": average for number, average in enumerate(averages)}
        if self.projections:
            # Hung here, behind peft, which would freeze them and lay adapters on them.
            student.add_module(PROJECTIONS, self.projections.to(self.args.device))
            self.kept["projections"] = self.projections
        if self.objective.mix:
            self.kept["several"] = self.objective.mix
        self.add_callback(_StepEnds(self._stepped))

    @property
    def done(self) -> float:
        """The share of the steps that are done."""
        return self.state.global_step / self.state.max_steps if self.state.max_steps else 0.0

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The objective of one batch, divided by the tokens of the whole accumulated batch."""
        places = Places.of(inputs)
        values = self._measured(model, inputs, places)
        if self.weights is not None:
            values["weight"] = self.weights.to(places.documents.device)[places.documents]
        total = self.objective.total(values, self.done, self.balance.factors())
        tokens = len(places) if num_items_in_batch is None else num_items_in_batch
        loss = total / torch.as_tensor(tokens, device=total.device).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes
        self._note(values, inputs)
        if self.objective.mix and self.student.training:
            self.objective.mix.note(values, places.documents)
        return (loss, {}) if return_outputs else loss

    @torch.no_grad()
    def sums(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Each loss of a held-out batch, summed over its places; `loss` is the cross-entropy."""
        with self.compute_loss_context_manager():
            places = Places.of(inputs)
            values = self._measured(self.model, inputs, places)
        found = {name: each.sum() for name, each in values.items()}
        own = {"loss": found.pop(CE), "accuracy": found.pop("correct")}
        return own | found | {"places": torch.tensor(len(places), device=places.labels.device)}

    def _measured(self, model: Any, inputs: Mapping[str, torch.Tensor], places: Places) -> dict[str, torch.Tensor]:
        looks = [teacher(inputs, places) for teacher in self.teachers]
        if self.watched:
            self.watched.look(places.batch, places.index, places.starts, self.window)
        values: dict[str, torch.Tensor] = model(
            **model_inputs(inputs),
            measure=lambda states, head: self._values(states, head, places, looks),
            output_hidden_states=bool(self.projections and self.projections.layers),
        )
        return values

    def _values(self, states: Any, head: Any, places: Places, looks: Sequence[Look]) -> dict[str, torch.Tensor]:
        hidden = self.projections(states.hidden_states, places) if self.projections else ()
        seen = [self.watched.seen(layer) for layer in self.attention] if self.watched else ()
        if self.deeper:
            self.deeper.show(states.hidden_states, places, self.watched)
        return self.objective.values(
            places.pick(states.last_hidden_state),
            head,
            places,
            View(hidden=hidden, attention=seen),
            looks,
            self.done,
        )

    def _note(self, values: Mapping[str, torch.Tensor], inputs: Mapping[str, torch.Tensor]) -> None:
        mode = "train" if self.student.training else "eval"
        for sums in (self._sums[mode], *([self._sums["step"]] if mode == "train" else [])):
            for name, each in values.items():
                sums[name] = sums[name] + each.detach().sum()
            sums["places"] = sums["places"] + len(values[CE])
        if mode == "train":
            tokens = (inputs["documents"] >= 0).sum()
            self._total_train_tokens += int(self.accelerator.reduce(tokens))
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]

    def _stepped(self) -> None:
        """What moves between steps, by the step's own means."""
        if self.balance.kind != "fixed":
            self.balance.stepped(self.means("step"))
        for average in self.averages:
            average.follow(self.student)
        if self.objective.mix:
            self.objective.mix.stepped(lambda sums: self.accelerator.reduce(sums.to(self.args.device)))
        self._sums["step"].clear()

    def taught(self) -> dict[str, Any] | None:
        """How far each of several teachers was followed, over the whole training."""
        return self.objective.mix.figures() if self.objective.mix else None

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        if self.args.should_save:
            torch.save({name: part.state_dict() for name, part in self.kept.items()}, Path(output_dir) / STATE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            states = torch.load(Path(checkpoint) / STATE, map_location="cpu", weights_only=True)
            for name, part in self.kept.items():
                part.load_state_dict(states[name])

    def means(self, mode: str) -> dict[str, float]:
        """Mean value of each loss over the positions since it was last asked, of all processes."""
        sums = self._sums[mode]
        if not sums:
            return {}
        whole = self.whole(sums)
        sums.clear()
        places = whole.pop("places") or 1.0
        return {name: value / places for name, value in whole.items()}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Each term's mean beside the loss, and the share of labels that the student thinks most likely."""
        mode = "train" if self.student.training else "eval"
        means = self.means(mode)
        if "correct" in means:
            self._metrics[mode]["mean_token_accuracy"] = [means.pop("correct")]
        moving = self.objective.moving(self.done) | {f"balance_{n}": b for n, b in self.balance.factors().items()}
        for name, value in (means | (moving if mode == "train" else {})).items():
            self._metrics[mode][name] = [value]
        super().log(logs, start_time)


class _StepEnds(TrainerCallback):  # type: ignore[misc]
    """Tells when the optimizer has made a step, before anything of it is logged or saved."""

    def __init__(self, told: Callable[[], None]) -> None:
        self.told = told

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After the last micro-batch of a step."""
        self.told()


def _zero() -> torch.Tensor:
    return torch.zeros(())
