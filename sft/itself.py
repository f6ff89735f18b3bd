"""A student that is its own teacher: an average of its weights, more in its prompt, its own deeper layers.

    Average    e <- decay e + (1 - decay) student behind every step (Tarvainen & Valpola 2017, "Mean teachers are
               better role models"; a low-rank adapter counts as merged)
    Hinted     any teacher on rows whose prompts say more, place by place beside the student's (`sft/again.py`)
    Deeper     deeper layers of the same forward, detached, for shallow ones (Zhang et al. 2019, "Be Your Own Teacher")

An earlier checkpoint is a model like any other (`sft/teachers.py`).
Limits: an average keeps a whole copy of the weights in float32 in every process; weights that are spread over processes
are gathered for it where they can be (FSDP2) and refused where they cannot (ZeRO-3).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from sft.data import Row
from sft.objective import Look
from sft.places import Places
from sft.teachers import Live
from sft.views import View
from sft.watching import Watch
from tracegen.records import UsageError

Teacher = Callable[[Mapping[str, torch.Tensor], Places], Look]
Collate = Callable[[Sequence[Mapping[str, Any]]], dict[str, torch.Tensor]]


class Average:
    """A live teacher whose weights follow the student's."""

    def __init__(self, live: Live, decay: float) -> None:
        self.live, self.decay = live, decay

    def __call__(self, inputs: Mapping[str, torch.Tensor], places: Places) -> Look:
        """What the average says."""
        return self.live(inputs, places)

    @torch.no_grad()
    def follow(self, student: Any) -> None:
        """Take in the student's weights behind a step."""
        own = dict(self.live.model.named_parameters())
        for name, weight in _merged(student):
            if name not in own:
                continue
            if weight.shape != own[name].shape:
                raise UsageError("an average cannot follow weights that are split up (ZeRO-3); take DDP or FSDP2.")
            own[name].lerp_(weight.to(own[name]), 1 - self.decay)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The average as it stands."""
        return dict(self.live.model.state_dict())

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a checkpoint."""
        self.live.model.load_state_dict(state)


def _merged(student: Any) -> list[tuple[str, torch.Tensor]]:
    """The student's weights under the names of its base; those of an adapter added to what they adapt."""
    added = {
        f"{name}.weight": module.get_delta_weight(adapter)
        for name, module in student.named_modules()
        if hasattr(module, "get_delta_weight")
        for adapter in module.active_adapters
    }
    plain = {name.replace(".base_layer", ""): weight for name, weight in student.named_parameters()}
    moved = {name: weight for name, weight in plain.items() if weight.requires_grad or name in added}
    return [(name, _whole(weight) + added.get(name, 0.0)) for name, weight in moved.items()]


def _whole(weight: torch.Tensor) -> torch.Tensor:
    gather: Callable[[], torch.Tensor] | None = getattr(weight, "full_tensor", None)
    return gather() if gather else weight


class Hinted:
    """A teacher that reads other prompts than the student, and the same traces behind them.

    `others` are the rows of the corpus as it reads them; `collate` makes batches for it.
    """

    def __init__(self, teacher: Teacher, rows: Sequence[Row], others: Sequence[Row], collate: Collate) -> None:
        self.teacher, self.others, self.collate = teacher, others, collate
        for row, other in zip(rows, others, strict=True):
            if row.trained != other.trained:
                raise UsageError(
                    f"with the hint, row {row.sample_id} is cut into other tokens; write the hint otherwise."
                )

    def __call__(self, inputs: Mapping[str, torch.Tensor], places: Places) -> Look:
        """What it says of the documents of the batch, in their order."""
        if not len(places):
            return self.teacher(inputs, places)
        batch = self.collate([example(self.others[document], document) for document in documents(places)])
        batch = {name: values.to(places.labels.device) for name, values in batch.items()}
        return self.teacher(batch, Places.of(batch))


def documents(places: Places) -> list[int]:
    """The rows of the corpus that lie in a batch, in its order; one that lies there twice is named twice."""
    head = torch.stack([places.batch, places.starts])
    first = torch.ones_like(places.batch, dtype=torch.bool)
    first[1:] = (head[:, 1:] != head[:, :-1]).any(0)
    found: list[int] = places.documents[first].tolist()
    return found


def example(row: Row, document: int) -> dict[str, Any]:
    """A row as a collator takes it."""
    return {"rows": [document], "lengths": [len(row.input_ids)], "input_ids": row.input_ids, "labels": row.labels}


class Deeper:
    """Layers of the student itself: `show` is called inside its forward, before anybody looks."""

    def __init__(self, hidden: Sequence[int], attention: Sequence[int]) -> None:
        self.hidden, self.attention = hidden, attention
        self._view = View()

    def __call__(self, inputs: Mapping[str, torch.Tensor], places: Places) -> Look:
        """A look at what will have been shown."""
        return lambda chosen: self._view.at(chosen)

    def show(self, hidden_states: Sequence[torch.Tensor] | None, places: Places, watched: Watch | None) -> None:
        """The layers of the forward that is under way, without their graph."""
        hidden = [places.pick(hidden_states[layer]).detach() for layer in self.hidden] if hidden_states else []
        seen = [watched.seen(layer).detach() for layer in self.attention] if watched else []
        self._view = View(hidden=hidden, attention=seen)
