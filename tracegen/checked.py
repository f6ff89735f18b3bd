"""What a person wrote becomes a model, or one sentence that says what is wrong with it and what is allowed."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tracegen.records import UsageError

Model = TypeVar("Model", bound=BaseModel)
Options = dict[str, Any]


class Strict(BaseModel):
    """Refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def checked(model: type[Model], tree: Any, where: str = "") -> Model:
    """`tree` as a `model`; a UsageError that begins with `where` says what is wrong with it."""
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise UsageError(f"{where}{_sentence(error, model)}") from None


def _sentence(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing that is wrong, as one sentence."""
    first = error.errors()[0]
    location = list(first["loc"])
    if first["type"] == "extra_forbidden":
        where = ".".join(map(str, location[:-1])) or "the recipe"
        return f"{where} has no field {location[-1]!r}; it takes {', '.join(_fields_at(location[:-1], model))}."
    where = ".".join(map(str, location))
    if first["type"] == "missing":
        return f"the field {where!r} is missing."
    given = first.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) or given is None else ""
    return f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}{shown}."


def _fields_at(location: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    for name in location:
        if str(name) not in model.model_fields:
            continue
        annotation = model.model_fields[str(name)].annotation
        for candidate in (annotation, *_arguments(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return list(model.model_fields)


def _arguments(annotation: Any) -> Iterator[Any]:
    for argument in getattr(annotation, "__args__", ()):
        yield argument
        yield from _arguments(argument)
