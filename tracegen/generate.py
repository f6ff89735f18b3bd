"""The first half of sampling: problems become requests, an engine answers them, the ledger keeps the answers.

plan(problems, asker)       every request of a teacher, lazily
answers(requests, asker)    (request, completion) as the engine finishes them
record(...)                 a ledger row
parse(row)                  the trace; only ever called on a row that is on disk
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tracegen import registry
from tracegen.format import split
from tracegen.ledger import Row, sample_key
from tracegen.models import Model
from tracegen.prompts import Prompt
from tracegen.recipe import Options, Sampling
from tracegen.records import Completion, Problem, Request, Trace, TracegenError, UsageError


@dataclass(frozen=True)
class Asker:
    """A model in a role, ready to be asked: a teacher of the recipe, or a student under evaluation."""

    name: str
    model: Model
    engine: str
    options: Options
    prompt: Prompt
    reasoning: str
    sampling: Sampling
    seed: int
    of: str = ""
    """Asked are only the problems whose ids begin so: those of one benchmark, or all."""

    @property
    def identity(self) -> dict[str, Any]:
        """What stands in the key of its samples: the model and what shapes its chat template."""
        shaping = {
            name: self.options[name] for name in ("extra_body", "chat_template_kwargs") if self.options.get(name)
        }
        return self.model.identity | shaping

    @property
    def engine_key(self) -> tuple[str, str, str]:
        """Askers with the same one can share a loaded engine."""
        return self.engine, self.model.path, repr(sorted(self.options.items()))

    def engine_function(self) -> Callable[..., Iterator[tuple[Request, Completion]]]:
        return registry.bind("engine", self.engine, self.options, model=self.model.path)


def plan(problems: Iterable[Problem], asker: Asker) -> Iterator[Request]:
    """Every request of this asker: `n` samples a problem, each with its own seed."""
    sampling = asker.sampling.model_dump(exclude_none=True, exclude={"n"})
    for problem in problems:
        if not problem.id.startswith(asker.of):
            continue
        messages = asker.prompt.messages(problem)
        for sample in range(asker.sampling.n):
            key = sample_key(model=asker.identity, messages=messages, sampling=sampling, seed=asker.seed, sample=sample)
            seeded = sampling | {"seed": int(key[:7], 16)}
            yield Request(key, problem.id, asker.name, sample, messages, seeded)


def answers(requests: Iterable[Request | None], asker: Asker) -> Iterator[Row]:
    """Ask the engine; one ledger row per request, as each finishes."""
    start = time.monotonic()
    last = start
    for request, completion in asker.engine_function()(requests):
        last = time.monotonic()
        yield record(request, completion, asker, seconds=last - start)


def record(request: Request, completion: Completion, asker: Asker, *, seconds: float) -> Row:
    """The ledger row: what was asked and what came back. `seconds` counts from the engine's start."""
    sampling = dict(request.sampling)
    return {
        "key": request.key,
        "problem_id": request.problem_id,
        "teacher": request.teacher,
        "sample": request.sample,
        "model": asker.model.name,
        "revision": asker.model.revision,
        "prompt": [dict(message) for message in request.messages],
        "max_tokens": sampling.pop("max_tokens") - request.forced,
        "sampling": sampling,
        "text": completion.text,
        "reasoning": completion.reasoning,
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "prefix_tokens": completion.prefix_tokens,
        "forced": bool(request.forced),
        "error": completion.error,
        "seconds": round(seconds, 3),
        "time": round(time.time(), 3),
    }


def parse(row: Row) -> Trace:
    """The trace that a ledger row holds."""
    parts = split(row["text"], reasoning=row["reasoning"], finish_reason=row["finish_reason"])
    return Trace(
        key=row["key"],
        problem_id=row["problem_id"],
        teacher=row["teacher"],
        sample=row["sample"],
        prompt=tuple(row["prompt"]),
        reasoning=parts.reasoning,
        response=parts.response,
        status=parts.status,
        finish_reason=row["finish_reason"],
        tokens=(row["completion_tokens"] or 0) + row.get("prefix_tokens", 0),
        forced=row.get("forced", False),
    )


def require_reasoning(trace: Trace, asker: Asker) -> None:
    """The canary: a teacher that is said to think natively must show its thinking in the first answer."""
    if asker.reasoning == "native" and not trace.reasoning.strip():
        raise TracegenError(
            f"teacher {asker.name!r} is said to think (reasoning: native), but no thinking came back: "
            f"the answer began with {trace.response[:80]!r}. Turn on the server's reasoning parser, "
            "or say reasoning: prompted or none."
        )


def check_engine(who: str, engine: str, options: Options, sampling: Sampling) -> None:
    """Refuse an unknown engine or option before anything is loaded."""
    registry.bind("engine", engine, options)
    if sampling.temperature == 0 and sampling.n > 1:
        raise UsageError(
            f"{who}: sampling.temperature is 0 and sampling.n is {sampling.n}, which gives the same answer each time; "
            "use n: 1 or a higher temperature."
        )


def chosen(engine: str) -> str:
    """The engine that a recipe's name means here: `auto` is resolved, so that provenance names what really ran."""
    if engine != "auto":
        return engine
    from tracegen.engines.auto import choose

    return choose()[0]
