"""The temperature of a position: a value that the schedule gives, or one that follows how sure the teacher is there.

A teacher that is sure shows little at T = 1 beside the token itself, and one that is not says nothing any more at a
high T; so T = low + (high - low) max p_t, which softens the sharp and spares the soft.
Source: Luong et al. 2026, "Consistently Informative Soft-Label Temperature" (one T leaves sharp labels too sharp and
soft ones too soft; theirs grows with the largest logit); Wen et al. 2021, "Preparing Lessons" (samples over which a
model is confused get a lower T, by the largest probability among others).
"""

from collections.abc import Callable

import torch

from sft.losses._events import Temperature
from sft.schedule import Schedule
from sft.views import View

Heat = Callable[[float, View], Temperature]
"""From the share of the steps done and a teacher's view to its temperature, a number or a tensor [n]."""


def scheduled(schedule: Schedule) -> Heat:
    """The same for all positions of a step."""
    return lambda done, _: schedule(done)


def by_confidence(low: float, high: float) -> Heat:
    """`low` where the teacher holds nothing likely, `high` where it is certain; either may be the larger."""

    def heat(done: float, teacher: View) -> torch.Tensor:
        return low + (high - low) * confidence(teacher)

    return heat


def confidence(teacher: View) -> torch.Tensor:
    """The probability [n] of the teacher's most likely token, at temperature 1."""
    if teacher.top is not None:
        return teacher.top.logprobs.float().amax(-1).exp()
    assert teacher.logits is not None
    scores = teacher.logits.float()
    return (scores.amax(-1) - scores.logsumexp(-1)).exp()
