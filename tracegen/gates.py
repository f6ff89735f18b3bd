"""Gates look for what may not be given away: others' property, personal data, benchmarks' questions.

Shape: `shut(partitions, filters=..., ...)` has the recipe's gates look at every trace, whatever the other filters do
with it, and says of which ones they would keep the texts back; without gates, or where the recipe has them first, so
that every trace passes them anyway, it looks at nothing. Memory: a byte a trace.
"""

from collections.abc import Mapping
from typing import Any

from tracegen.corpus import GATES
from tracegen.curate import Options, curate
from tracegen.curate_on_ray import Foreseen, foresee
from tracegen.fates import Fate
from tracegen.partitions import Partitions
from tracegen.progress import Bar


def of(filters: Mapping[str, Options | None]) -> dict[str, Options | None]:
    """The gates among the filters, in their order."""
    return {name: options for name, options in filters.items() if name in GATES}


def shut(partitions: Partitions, *, filters: Mapping[str, Options | None], on_ray: bool, **given: Any) -> bytearray:
    """Of each trace in order, 1 where a gate drops it; other arguments as those of `curate`."""
    gates = of(filters)
    found = bytearray(len(partitions))
    if list(filters)[: len(gates)] == list(gates):
        return found
    known = foresee(partitions, filters=gates, **given) if on_ray else Foreseen(partitions)
    with Bar("gates", len(partitions), "traces") as bar:

        def told(fate: Fate) -> None:
            found[bar.done] = fate.drop is not None
            bar.advance()

        curate(known.fates(), filters=gates, told=told, foreseen=known.decided, sketched=known.sketched, **given)
    known.forget()
    return found
