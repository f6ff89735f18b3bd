"""What is tried, in which order: every method on every piece of its material, as often as `how` says.

A method is a prompt: `rephrase` is `prompts/synthesize_rephrase.yaml`, and a path to a YAML file is a method of one's
own. The order depends on the seed alone. It goes round: each piece once by each method before any a second time, so
that a `limit` cuts off repetition and not material.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from random import Random

from tracegen import prompts
from tracegen.prompts import Prompt
from tracegen.records import Message, Problem, UsageError
from tracegen.sources._material import KINDS

FROM_SEEDS = ("rephrase", "harder", "numbers")
"""What is done with seeds where the recipe does not say."""


@dataclass(frozen=True)
class Attempt:
    """One try at a new problem."""

    method: str
    """By its name; of a prompt of one's own, the file's."""
    of_seed: bool
    material: Problem
    sample: int
    """How many tries with the same prompt come before it."""
    prompt: Prompt

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.prompt.messages(self.material)


def plan(material: Mapping[str, Sequence[Problem]], how: Mapping[str, int] | None, seed: int) -> list[Attempt]:
    """Every attempt in its order; UsageError for a method without a prompt or without material."""
    if not how:
        from_seeds = FROM_SEEDS if "seeds" in material else ()
        how = dict.fromkeys([*from_seeds, *(method for method, kind in KINDS.items() if kind in material)], 1)
    written = {method: prompts.load(method if method.endswith(".yaml") else f"synthesize_{method}") for method in how}
    if missing := [method for method in how if KINDS.get(method, "seeds") not in material]:
        raise UsageError(f"source 'synthesize': the method {missing[0]!r} needs {KINDS.get(missing[0], 'seeds')}.")
    found: list[Attempt] = []
    for sample in range(max(how.values(), default=0)):
        columns = []
        for method in (method for method, times in how.items() if sample < times):
            pieces = list(material[KINDS.get(method, "seeds")])
            Random(f"{seed} {method} {sample}").shuffle(pieces)
            prompt = written[method]
            name = prompt.name.removeprefix("synthesize_")
            columns.append([Attempt(name, method not in KINDS, piece, sample, prompt) for piece in pieces])
        found += filter(None, chain.from_iterable(zip_longest(*columns)))
    return found
