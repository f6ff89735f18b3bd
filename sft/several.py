"""How far each of several teachers is followed at a position, and how far all of them together.

    u_k  proportional to  r_k exp(-CE_k(y) / tau)      summing to 1 over the teachers
    c    =  1 - strength JS / log K,   JS = sum_k u_k KL(p_k || m),   m = sum_k u_k p_k

r_k: how reliable teacher k is in the row's domain (`sft/reliability.py`). CE_k(y): -log p_k of the trace's token, so
who would have written the verified trace is followed more (confidence as in Zhang et al. 2022, "Confidence-Aware
Multi-Teacher Knowledge Distillation"). JS: the teachers' disagreement, at most the entropy of u and so at most log K
(Lin 1991, "Divergence Measures Based on the Shannon Entropy"); being weighed by u, it is small where one teacher is
trusted far more than the others, for then nothing is in conflict. Where it is large, the trace's own token counts.
Teachers that know different tokens are compared on those that all know, what is left being one event more.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from sft.losses._events import EDGE
from sft.places import Places
from sft.views import View


class Several:
    """Shares and trust, and what they were on the whole.

    `reliable` [groups, K]: r of each teacher in each group of rows; `groups` [rows of the corpus] says which is whose.
    `tau` in nats, None: confidence is not looked at.
    """

    def __init__(
        self,
        names: Sequence[str],
        reliable: Mapping[str, Sequence[float]],
        groups: Sequence[str],
        *,
        tau: float | None = 1.0,
        strength: float = 1.0,
    ) -> None:
        self.names, self.labels, self.tau, self.strength = list(names), list(reliable), tau, strength
        self.reliable = torch.tensor(list(reliable.values()))
        order = {label: number for number, label in enumerate(self.labels)}
        self.groups = torch.tensor([order[label] for label in groups])
        # Of each group: the shares, the trust, the positions; of the step under way and of all before.
        self.now = torch.zeros(len(self.labels), len(self.names) + 2, dtype=torch.float64)
        self.sums = torch.zeros_like(self.now)

    def __call__(self, views: Sequence[View], places: Places, chosen: slice) -> tuple[torch.Tensor, torch.Tensor]:
        """Shares [K, n] and trust [n]; a teacher that says nothing of a row has no share in it."""
        labels = places.labels[chosen]
        groups = self.groups.to(labels.device)[places.documents[chosen]]
        scores = self.reliable.to(labels.device)[groups].T.clamp(min=EDGE).log()
        if self.tau is not None:
            scores = scores + torch.stack([right(view, labels) for view in views]) / self.tau
        silent = torch.stack([view.silent(labels) for view in views])
        nobody = silent.all(0)
        share = torch.softmax(scores.masked_fill(silent & ~nobody, -torch.inf), 0)
        trust = 1 - self.strength * divergence(events(views), share) / math.log(len(views))
        return share, torch.where(nobody, 0.0, trust.clamp(0, 1))

    def note(self, values: Mapping[str, torch.Tensor], documents: torch.Tensor) -> None:
        """Take in a batch: `share_NAME` of each teacher and `trust`, [n] each, of places in `documents` [n]."""
        each = [*(values[f"share_{name}"] for name in self.names), values["trust"]]
        rows = torch.stack([*each, torch.ones_like(each[0])], -1).detach().double().cpu()
        self.now.index_add_(0, self.groups[documents.cpu()], rows)

    def stepped(self, reduce: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Count the step that is done, of all processes."""
        self.sums += reduce(self.now).cpu()
        self.now.zero_()

    def figures(self) -> dict[str, Any]:
        """Mean share of each teacher and mean trust, of everything and of each group."""
        rows = {"all": self.sums.sum(0), **dict(zip(self.labels, self.sums, strict=True))}
        return {label: self._means(row) for label, row in rows.items() if row[-1] > 0}

    def _means(self, row: torch.Tensor) -> dict[str, Any]:
        *shares, trust = (row[:-1] / row[-1]).tolist()
        return {"shares": dict(zip(self.names, shares, strict=True)), "trust": trust, "tokens": int(row[-1])}

    def state_dict(self) -> dict[str, torch.Tensor]:
        """What a resumed training goes on counting from."""
        return {"sums": self.sums}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a checkpoint."""
        self.sums = state["sums"]


def right(view: View, labels: torch.Tensor) -> torch.Tensor:
    """log p(y) [n] of a teacher; of a token that it does not name, what it leaves to all such tokens at most."""
    if view.top is not None:
        logprobs = view.top.logprobs.float()
        rest = (1 - logprobs.exp().sum(-1)).clamp(min=EDGE).log()
        found = torch.where(view.top.ids == labels[:, None], logprobs, -torch.inf).amax(-1)
        return torch.where(found > -torch.inf, found, torch.minimum(rest, logprobs.amin(-1)))
    assert view.logits is not None
    logs = torch.log_softmax(view.logits.float(), -1)
    if not isinstance(view.columns, torch.Tensor):
        at = labels.clamp(max=logs.shape[-1] - 1)
        known = labels < logs.shape[-1]
    else:
        at = torch.searchsorted(view.columns.to(labels.device), labels).clamp(max=logs.shape[-1] - 1)
        known = view.columns.to(labels.device)[at] == labels
    return torch.where(known, logs.gather(-1, at[:, None]).squeeze(-1), math.log(EDGE))


def events(views: Sequence[View]) -> torch.Tensor:
    """Log-probabilities [K, n, events] of all teachers over the same events, each row a distribution."""
    if all(view.logits is not None for view in views) and _alike([view.columns for view in views]):
        return torch.stack([torch.log_softmax(view.logits.float(), -1) for view in views if view.logits is not None])
    size = max(_size(view) for view in views)
    spread = [_spread(view, size) for view in views]
    known = torch.stack([p > 0 for p in spread]).all(0)
    kept = torch.stack([torch.where(known, p, 0.0) for p in spread])
    rest = (1 - kept.sum(-1, keepdim=True)).clamp(min=EDGE)
    return torch.cat([kept, rest], -1).log()


def divergence(logs: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Jensen-Shannon divergence [n] in nats, of log-probabilities [K, n, events] weighed by `share` [K, n]."""
    middle = torch.logsumexp(logs + share.log()[..., None], 0)
    gaps = torch.where(logs > -torch.inf, logs - middle, 0.0)
    each = (logs.exp() * gaps).sum(-1)
    return torch.where(share > 0, share * each, 0.0).sum(0)


def _alike(columns: Sequence[torch.Tensor | slice | None]) -> bool:
    first = columns[0]
    if isinstance(first, torch.Tensor):
        return all(isinstance(other, torch.Tensor) and torch.equal(first, other) for other in columns)
    return all(not isinstance(other, torch.Tensor) and other == first for other in columns)


def _size(view: View) -> int:
    if view.top is not None:
        return int(view.top.ids.max()) + 1
    assert view.logits is not None
    return int(view.columns.max()) + 1 if isinstance(view.columns, torch.Tensor) else view.logits.shape[-1]


def _spread(view: View, size: int) -> torch.Tensor:
    """Probabilities [n, size] under the student's numbers; 0: a token that this teacher does not name."""
    if view.top is not None:
        ids, p = view.top.ids, view.top.logprobs.float().exp()
    else:
        assert view.logits is not None
        p = torch.softmax(view.logits.float(), -1).clamp(min=1e-30)
        numbers = view.columns if isinstance(view.columns, torch.Tensor) else torch.arange(p.shape[-1])
        ids = numbers.to(p.device).expand(len(p), -1)
    return torch.zeros(len(p), size, device=p.device).scatter_(-1, ids, p)
