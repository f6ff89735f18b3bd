"""Where a teacher's signal comes from: each teacher is asked with a batch and its places, and answers with a look.

Shape: `teacher(inputs, places) -> Look`; `look(slice) -> View` gives what it says at some of the places, the logits
made only then. `Live` is a model in this process; a stored one is `sft/stored.py`.
Limits: a live teacher stands in the memory of every process.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from sft.attention import by_document
from sft.heads import logits, open_head
from sft.objective import Look
from sft.places import Places, model_inputs
from sft.views import View
from sft.vocabulary import Shared
from sft.watching import watch


class Live:
    """A model that is run beside the student, without gradients, in its own precision.

    `hidden` and `attention` are its layers to be shown, one for each pair of layers.
    """

    def __init__(
        self,
        model: Any,
        shared: Shared,
        *,
        hidden: Sequence[int] = (),
        attention: Sequence[int] = (),
        window: int = 1,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        by_document(model, model.device)
        self.shared, self.hidden, self.attention, self.window = shared, hidden, attention, window
        self.watch = watch(model, attention) if attention else None
        open_head(model)

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, torch.Tensor], places: Places) -> Look:
        """One forward of the whole batch; logits are made of its last states as they are looked at."""
        own = model_inputs(inputs)
        own["input_ids"] = self.shared.to_teacher(own["input_ids"])
        if self.watch:
            self.watch.look(places.batch, places.index, places.starts, self.window)
        said = self.model(**own, measure=lambda states, _: states, output_hidden_states=bool(self.hidden))
        last = places.pick(said.last_hidden_state)
        hidden = [places.pick(said.hidden_states[layer]) for layer in self.hidden]
        attention = [self.watch.seen(layer) for layer in self.attention] if self.watch else []

        def look(chosen: slice) -> View:
            scores = logits(self.model, last[chosen])[:, self.shared.teacher_columns]
            return View(
                scores,
                columns=self.shared.student_columns,
                hidden=[layer[chosen] for layer in hidden],
                attention=[layer[chosen] for layer in attention],
            )

        return look
