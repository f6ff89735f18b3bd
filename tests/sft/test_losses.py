"""Every loss of the shelf against its formula in float64, and what must hold of all of them."""

from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor

from sft.views import Top, View
from tracegen import registry

N, V, K = 7, 23, 5
DIVERGENCES = [name for name in registry.names("loss") if registry.about("loss", name, "READS") == "logits"]
DIVERGENCES.remove("cross_entropy")


def scores(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 2


LABELS = torch.arange(N) % V


def loss(name: str, student: View, teacher: View, **options: Any) -> Tensor:
    reserved = {"temperature": options.pop("temperature", 1.0)}
    return registry.bind("loss", name, options, **reserved)(student, teacher, LABELS)


def p(z: Tensor, temperature: float) -> Tensor:
    return torch.softmax(z.double() / temperature, -1)


def kl(a: Tensor, b: Tensor) -> Tensor:
    return (a * (a.log() - b.log())).sum(-1)


def reference(name: str, s: Tensor, t: Tensor, **options: float) -> Tensor:
    if name == "forward_kl":
        return kl(t, s)
    if name == "reverse_kl":
        return kl(s, t)
    if name == "total_variation":
        return (s - t).abs().sum(-1) / 2
    if name == "jsd":
        beta = options.get("beta", 0.5)
        m = beta * t + (1 - beta) * s
        return beta * kl(t, m) + (1 - beta) * kl(s, m)
    assert name == "skew_kl"
    skew = options.get("skew", 0.1)
    return kl(s, skew * s + (1 - skew) * t) if options.get("reverse") else kl(t, skew * t + (1 - skew) * s)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in DIVERGENCES),
        ("jsd", {"beta": 0.1}),
        ("skew_kl", {"skew": 0.4}),
        ("skew_kl", {"reverse": True}),
    ],
)
def test_a_divergence_is_its_formula(name: str, options: dict[str, Any], temperature: float) -> None:
    student, teacher = scores(1, N, V), scores(2, N, V)
    found = loss(name, View(student), View(teacher), temperature=temperature, **options)
    due = temperature**2 * reference(name, p(student, temperature), p(teacher, temperature), **options)
    assert found.shape == (N,)
    torch.testing.assert_close(found.double(), due, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_divergence_of_top_k_is_that_of_k_plus_one_events(name: str) -> None:
    student, teacher = scores(1, N, V), scores(2, N, V)
    whole = torch.log_softmax(teacher, -1)
    top = whole.topk(K, -1)

    def events(q: Tensor) -> Tensor:
        kept = q.gather(-1, top.indices)
        return torch.cat([kept, 1 - kept.sum(-1, keepdim=True)], -1)

    found = loss(name, View(student), View(top=Top(top.indices, top.values)))
    due = reference(name, events(p(student, 1.0)), events(p(teacher, 1.0)))
    torch.testing.assert_close(found.double(), due, rtol=1e-4, atol=1e-6)
    assert (found >= 0).all()


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("stored", [False, True])
def test_equal_models_differ_by_nothing_and_gradients_are_finite(name: str, temperature: float, stored: bool) -> None:
    z = scores(3, N, V)
    top = torch.log_softmax(z, -1).topk(K, -1)
    teacher = View(top=Top(top.indices, top.values)) if stored else View(z)
    same = loss(name, View(z.clone()), teacher, temperature=temperature)
    torch.testing.assert_close(same, torch.zeros(N), atol=2e-5, rtol=0)
    # A student that is sure of the wrong token, and a teacher of one that the student excludes.
    far = (scores(4, N, V) * 40).requires_grad_()
    loss(name, View(far), teacher, temperature=temperature).sum().backward()
    assert far.grad is not None
    assert torch.isfinite(far.grad).all()
    assert far.grad.abs().sum() > 0


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_temperature_may_be_one_of_each_position(name: str) -> None:
    student, teacher = View(scores(1, N, V)), View(scores(2, N, V))
    both = torch.tensor([1.0, 2.0] * N)[:N]
    found = loss(name, student, teacher, temperature=both)
    for index, temperature in enumerate(both.tolist()):
        alone = loss(name, student, teacher, temperature=temperature)
        torch.testing.assert_close(found[index], alone[index])


def test_logits_stand_beside_those_of_the_same_tokens() -> None:
    student, columns = scores(1, N, V), torch.tensor([4, 0, 9])
    teacher = scores(2, N, 3)
    found = loss("forward_kl", View(student), View(teacher, columns=columns))
    torch.testing.assert_close(found, loss("forward_kl", View(student[:, columns]), View(teacher)))


def test_hidden_states() -> None:
    own, theirs = scores(1, N, 6), scores(2, N, 6)
    student, teacher = View(hidden=[own, theirs]), View(hidden=[theirs, theirs])
    found = loss("hidden", student, teacher)
    torch.testing.assert_close(found.double(), (own.double() - theirs.double()).pow(2).mean(-1) / 2)
    cosine = loss("hidden", student, teacher, distance="cosine")
    due = 1 - (own * theirs).double().sum(-1) / (own.double().norm(dim=-1) * theirs.double().norm(dim=-1))
    torch.testing.assert_close(cosine.double(), due / 2, atol=1e-6, rtol=1e-5)


def weights(seed: int, heads: int) -> Tensor:
    """Log-probabilities [N, heads, 4] in which the first place is open to the last three positions alone."""
    z = scores(seed, N, heads, 4)
    z[: N - 3, :, 0] = -torch.inf
    return torch.log_softmax(z, -1)


def test_attention_skips_what_is_not_seen() -> None:
    own, theirs = weights(1, 3), weights(2, 3)
    found = loss("attention", View(attention=[own]), View(attention=[theirs]))
    due = torch.where(theirs > -torch.inf, theirs.exp() * (theirs - own), 0.0).nan_to_num(0.0).sum(-1).mean(-1)
    torch.testing.assert_close(found, due)
    squared = loss("attention", View(attention=[own]), View(attention=[theirs]), distance="mse")
    torch.testing.assert_close(squared, (own.exp() - theirs.exp()).square().sum(-1).mean(-1))


@pytest.mark.parametrize("distance", ["kl", "mse"])
def test_attention_of_equal_models_and_its_gradient(distance: str) -> None:
    maps = weights(1, 2)
    assert loss("attention", View(attention=[maps]), View(attention=[maps]), distance=distance).abs().max() < 1e-6
    z = scores(5, N, 2, 4).requires_grad_()
    masked = z.masked_fill(maps == -torch.inf, -torch.inf)
    loss("attention", View(attention=[torch.log_softmax(masked, -1)]), View(attention=[maps])).sum().backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_attention_of_different_numbers_of_heads_compares_their_means() -> None:
    own, theirs = weights(1, 2), weights(2, 6)
    found = loss("attention", View(attention=[own]), View(attention=[theirs]))
    mean_own, mean_theirs = own.exp().mean(1, keepdim=True).log(), theirs.exp().mean(1, keepdim=True).log()
    torch.testing.assert_close(found, loss("attention", View(attention=[mean_own]), View(attention=[mean_theirs])))


def test_cross_entropy() -> None:
    z = scores(1, N, V)
    due = -torch.log(p(z, 1.0))[torch.arange(N), LABELS]
    found = registry.load("loss", "cross_entropy")(View(z), None, LABELS)
    torch.testing.assert_close(found.double(), due, rtol=1e-5, atol=1e-6)
