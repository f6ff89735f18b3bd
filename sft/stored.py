"""A teacher that has spoken before: its stored top k log-probabilities, read as the batches come.

Shape: a teacher as in `sft/teachers.py`; a batch's rows are found by `places.documents`, a place by where it stands in
its document. What is read is what the batch needs; in memory stays where each row lies.
Limits: no hidden states and no attention, whose files would be thousands of times larger.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch

from sft.data import Row
from sft.objective import Look
from sft.origin import refuse
from sft.places import Places
from sft.signals import Key, Reader, key
from sft.views import Top, View
from tracegen.records import UsageError


class Stored:
    """The signals in `folder` on `rows`, the corpus as it is trained on. `origin` holds what they must agree with.

    `skip` lets rows without a signal pass: `missing` counts them, and a view's `known` says where they are.
    """

    def __init__(self, folder: Path, rows: Sequence[Row], origin: Mapping[str, Any], *, skip: bool = False) -> None:
        self.reader = Reader(folder)
        if not self.reader.origin:
            raise UsageError(f"{folder} holds no signals; run `tracegen capture` first.")
        refuse(self.reader.origin, origin, folder)
        self.rows, self.k = rows, int(self.reader.origin["k"])
        self.keys: list[Key | None] = [own if (own := key(row)) in self.reader.where else None for row in rows]
        self.missing = self.keys.count(None)
        """Rows without a signal."""
        if self.missing and not skip:
            lost = rows[self.keys.index(None)].sample_id
            why = "has other tokens than were captured" if lost in self.reader.names else "was not captured"
            raise UsageError(
                f"{self.missing} of {len(rows)} rows have no signal in {folder} (row {lost} {why}); run `tracegen "
                "capture`, or set `distill.missing: skip` to train on their tokens alone."
            )

    def __call__(self, inputs: Mapping[str, torch.Tensor], where: Places) -> Look:
        """Read what the batch needs."""
        documents, spots = where.documents.cpu().numpy(), (where.index - where.starts).cpu().numpy()
        wanted = {int(document): self.keys[document] for document in numpy.unique(documents)}
        said = self.reader.read([own for own in wanted.values() if own])
        # A place without a signal has k events of its own, equal and small, that nobody looks at.
        ids = numpy.tile(numpy.arange(self.k, dtype=numpy.int64), (len(where), 1))
        logprobs = numpy.full(ids.shape, -20.0, numpy.float32)
        for document, own in wanted.items():
            if own:
                here = documents == document
                lines = numpy.searchsorted(self.rows[document].places, spots[here])
                ids[here], logprobs[here] = said[own][0][lines], said[own][1][lines]
        device = where.labels.device
        top = Top(torch.from_numpy(ids).to(device), torch.from_numpy(logprobs).to(device))
        known = None
        if not all(wanted.values()):
            known = torch.from_numpy(numpy.isin(documents, [n for n, own in wanted.items() if own])).to(device)

        def look(chosen: slice) -> View:
            return View(top=top, known=known).at(chosen)

        return look
