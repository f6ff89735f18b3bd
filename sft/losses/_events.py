"""Both sides' log-probabilities over the same events: the vocabulary, or a teacher's top k and one tail event.

Source of the tail: a divergence of truncated distributions is none (it can be negative); with the rest of the mass as
one more event it is the divergence of two distributions again, and a lower bound of the whole one (the data processing
inequality, Cover & Thomas 2006, section 2.8).
"""

import torch

from sft.views import View

EDGE = 1e-7
"""What a tail holds at least: below, float32 cannot tell 1 - sum from 0."""
Temperature = float | torch.Tensor


def events(student: View, teacher: View, temperature: Temperature) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities [n, events] of teacher and student at the temperature, each row a distribution.

    With a stored teacher both sides are first reduced to its k tokens and the tail, and the temperature acts on those
    k + 1 events, so that equal models differ by nothing at any temperature.
    """
    if student.logits is None or (teacher.logits is None and teacher.top is None):
        raise ValueError("a loss on distributions needs the logits of the student, and logits or top k of the teacher")
    own = student.logits.float()
    if teacher.logits is not None:
        own = own if teacher.columns is None else own[:, teacher.columns]
        return heated(teacher.logits.float(), temperature), heated(own, temperature)
    assert teacher.top is not None
    ids, theirs = teacher.top.ids, teacher.top.logprobs.float()
    return (
        heated(with_tail(theirs), temperature),
        heated(with_tail(torch.log_softmax(own, -1).gather(-1, ids)), temperature),
    )


def heated(scores: torch.Tensor, temperature: Temperature) -> torch.Tensor:
    """log softmax(scores / T); T a number or one of each position."""
    if isinstance(temperature, torch.Tensor):
        temperature = temperature[:, None]
    return torch.log_softmax(scores / temperature, -1)


def with_tail(logprobs: torch.Tensor) -> torch.Tensor:
    """[n, k] -> [n, k + 1]: the last event is all the probability that the k leave over."""
    rest = (1 - logprobs.exp().sum(-1, keepdim=True)).clamp(min=EDGE)
    return torch.cat([logprobs, rest.log()], -1)


def kl(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p || q) [n] in nats, of log-probabilities [n, events]; an event that p excludes adds nothing."""
    gaps = torch.where(p > -torch.inf, p - q, 0.0)
    return (p.exp() * gaps).sum(-1)


def mixture(p: torch.Tensor, q: torch.Tensor, share: float) -> torch.Tensor:
    """log(share * p + (1 - share) * q), of log-probabilities."""
    if share <= 0 or share >= 1:
        return p if share >= 1 else q
    weights = torch.tensor([share, 1 - share], dtype=p.dtype, device=p.device).log()
    return torch.logsumexp(torch.stack([p + weights[0], q + weights[1]]), 0)
