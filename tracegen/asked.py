"""Who asks a model describes it beside its own options, as a teacher is described: the two are told apart here.

parted(shelf, name, given)   the own options of a verifier, filter or source, and the model that it asks
"""

import inspect
from collections.abc import Mapping
from typing import Any

from tracegen import registry
from tracegen.checked import checked
from tracegen.recipe import Asked, Options
from tracegen.records import UsageError


def parted(shelf: registry.Shelf, name: str, given: Mapping[str, Any] | None) -> tuple[Options, Asked | None]:
    """The own options, and the model, None for who asks none; UsageError where that is not described as it must be."""
    own = dict(given or {})
    if "ask" not in inspect.signature(registry.load(shelf, name)).parameters:
        return own, None
    of_model = {field: own.pop(field) for field in Asked.model_fields if field in own}
    who = f"{shelf} {name!r}"
    if shelf == "source":  # It samples as a teacher does; who judges is asked at temperature 0.
        of_model = {"sampling": {}} | of_model
    asked = checked(Asked, of_model, f"{who}: ")
    if asked.sampling.n > 1:
        raise UsageError(f"{who}: sampling.n stays 1; how often it asks is an option of its own.")
    if asked.sampling.temperature == 0 and shelf == "source":
        raise UsageError(
            f"{who}: every answer must be another one, and at temperature 0 all are the same; set sampling.temperature "
            "above 0."
        )
    if asked.sampling.temperature == 0 and own.get("repeats", 1) != 1:
        raise UsageError(
            f"{who}: at temperature 0 every one of its `repeats` gives the same answer; set sampling.temperature above "
            "0, or repeats: 1."
        )
    return own, asked
