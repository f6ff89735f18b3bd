"""Filters that ask a model: the model is described beside the filter's own options, as that of a verifier is.

    models(filters)          those models, by filter
    lines(filters, ...)      an `Ask` for each of them
    inputs(filters, lines)   what their answers depend on, for the hash of the stage
    asking(lines, meter)     a context in which they can be asked: the reserved parameter `ask` of each
    unanswered(rows)         traces that were dropped because a model gave no answer: another launch may ask again

`ask(*prompts, repeats=1)` puts all prompts at once and returns a completion for each. Answers are on disk, in
`asked/filter_<filter>/`, before the filter sees them, count in the run's budget, and are never asked for twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from tracegen import registry
from tracegen.ask import Ask
from tracegen.asked import parted
from tracegen.cost import Meter
from tracegen.generate import check_engine, chosen
from tracegen.prices import known
from tracegen.progress import say
from tracegen.recipe import Asked, Prices
from tracegen.records import Completion, Problem

UNANSWERED = "unanswered"
"""The reason of a filter for what its model did not answer: the only one that another launch may change."""

Filters = Mapping[str, Mapping[str, Any] | None]


class Row(Protocol):
    """What is read of a row of the funnel."""

    @property
    def reasons(self) -> Mapping[str, int]: ...


def models(filters: Filters) -> dict[str, Asked]:
    """The models that filters ask, by filter; an engine that cannot do what is asked of it is refused."""
    found = {name: asked for name, options in filters.items() if (asked := parted("filter", name, options)[1])}
    for name, asked in found.items():
        check_engine(f"filter {name!r}", chosen(asked.engine), asked.options, asked.sampling)
    return found


def prices(filters: Filters) -> dict[str, Prices]:
    """What those models cost, by the name that stands in their rows as `teacher`."""
    return known({f"filter:{name}": asked for name, asked in models(filters).items()})


def lines(filters: Filters, *, folder: Path, seed: int) -> dict[str, Ask]:
    """A line to each model; `folder` is the run's `asked/`. Nothing is loaded before the first question."""
    return {name: Ask(name, asked, folder=folder, seed=seed, shelf="filter") for name, asked in models(filters).items()}


def inputs(filters: Filters, lines: Mapping[str, Ask]) -> dict[str, Any]:
    """All that the answers depend on beside the traces: the models, and what a filter's own `inputs` names."""
    found = {}
    for name, line in lines.items():
        shaping = registry.about("filter", name, "inputs")
        found[name] = {
            "asked": line.identity,
            "inputs": shaping(**parted("filter", name, filters[name])[0]) if shaping else None,
        }
    return found


@contextmanager
def asking(
    lines: Mapping[str, Ask], meter: Callable[[], Meter], *, again: str
) -> Iterator[dict[str, Callable[..., list[Completion]]]]:
    """`ask` for each filter; at the end what is in flight is waited for, since it is paid for."""
    shared = meter() if lines else None
    with ExitStack() as open_lines:
        for line in lines.values():
            line.meter = shared
            open_lines.enter_context(closing(line))
        try:
            yield {name: line.of(Problem("", "")) for name, line in lines.items()}
        except KeyboardInterrupt:
            if lines:
                say(
                    "Stopping: the answers in flight are waited for, because they are paid for. Once more ends at once."
                )
                say(f"To go on: {again}")
            raise


def unanswered(rows: Iterable[Row]) -> int:
    """Traces that were dropped because a model gave no answer."""
    return sum(row.reasons.get(UNANSWERED, 0) for row in rows)
