"""The first half of sampling: problems become requests, an engine answers them, the ledger keeps the answers.

Asker.requests(problem)     a problem's requests, by the number of the sample
answers(requests, asker)    ledger rows as the engine finishes requests
parse(row)                  the trace; only ever called on a row that is on disk
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any

from tracegen import registry
from tracegen.format import split
from tracegen.ledger import Row, sample_keys
from tracegen.ledger.ranks import length
from tracegen.models import Model
from tracegen.prompts import Prompt
from tracegen.recipe import Options, Sampling
from tracegen.records import Completion, Message, Problem, Request, Trace, TracegenError, UsageError


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
    up_to: int | None = None
    """Samples of a problem that stays unsolved, where that is more than `sampling.n`."""
    share: tuple[float, float] = (0.0, 1.0)
    """Its part of the problems, as an interval of their hashes."""
    after: str = ""
    """Another asker: this one is asked only what the other leaves unsolved."""
    force_answer: int | None = None
    """Tokens for the answer of a trace whose thinking was cut off."""

    @property
    def most(self) -> int:
        """Samples that a problem can get."""
        return max(self.sampling.n, self.up_to or 0)

    def asks(self, problem_id: str) -> bool:
        """Whether this problem is one of its own."""
        low, high = self.share
        whole = (low, high) == (0.0, 1.0)
        return problem_id.startswith(self.of) and (whole or low <= _place(problem_id) < high)

    def keys(self, problem: Problem) -> Callable[[int], str]:
        """A function from a sample's number to its key."""
        return self._keys(self.prompt.messages(problem))

    def requests(self, problem: Problem) -> Callable[[int], Request]:
        """A function from a sample's number to its request; what the samples have in common is worked out once."""
        messages = self.prompt.messages(problem)
        key_of, sampling = self._keys(messages), self._shape

        def request(sample: int) -> Request:
            key = key_of(sample)
            return Request(key, problem.id, self.name, sample, messages, sampling | {"seed": int(key[:7], 16)})

        return request

    def _keys(self, messages: tuple[Message, ...]) -> Callable[[int], str]:
        return sample_keys(model=self.identity, messages=messages, sampling=self._shape, seed=self.seed)

    @cached_property
    def _shape(self) -> dict[str, Any]:
        return self.sampling.model_dump(exclude_none=True, exclude={"n"})

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What stands in the key of its samples: the model and what shapes its chat template."""
        shaping = {
            name: self.options[name]
            for name in ("extra_body", "chat_template_kwargs", "drop")
            if self.options.get(name)
        }
        return self.model.identity | shaping

    @property
    def engine_key(self) -> tuple[str, str, str]:
        """Askers with the same one can share a loaded engine."""
        return self.engine, self.model.path, repr(sorted(self.options.items()))

    def engine_function(self, folder: Path | None = None) -> Callable[..., Iterator[tuple[Request, Completion]]]:
        return registry.bind("engine", self.engine, self.options, model=self.model.path, folder=folder)


def answers(requests: Iterable[Request | None], asker: Asker, folder: Path | None = None) -> Iterator[Row]:
    """Ask the engine; one ledger row per request, as each finishes. An engine may keep its own notes in `folder`."""
    start, started = time.monotonic(), round(time.time(), 3)
    for request, completion in asker.engine_function(folder)(requests):
        yield record(request, completion, asker, seconds=time.monotonic() - start, started=started)


def record(request: Request, completion: Completion, asker: Asker, *, seconds: float, started: float) -> Row:
    """The ledger row: what was asked and what came back. `seconds` counts from the engine's start, at `started`."""
    sampling = dict(request.sampling)
    max_tokens = sampling.pop("max_tokens") - request.forced
    return {
        "key": request.key,
        "problem_id": request.problem_id,
        "teacher": request.teacher,
        "sample": request.sample,
        "model": asker.model.name,
        "revision": asker.model.revision,
        "engine": asker.engine,
        "prompt": [dict(message) for message in request.messages],
        "max_tokens": max_tokens if completion.max_tokens is None else completion.max_tokens,
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
        "started": started,
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
        tokens=length(row),
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


def shares(teachers: Mapping[str, float | None]) -> dict[str, tuple[float, float]]:
    """The intervals of `Asker.share` for shares, which are proportions; a teacher without one is asked everything."""
    given = {name: share for name, share in teachers.items() if share is not None}
    ends = list(accumulate(given.values(), initial=0.0))
    dealt = {name: (low / ends[-1], high / ends[-1]) for name, low, high in zip(given, ends, ends[1:], strict=False)}
    return {name: dealt.get(name, (0.0, 1.0)) for name in teachers}


def _place(problem_id: str) -> float:
    """A number from 0 to 1 that depends on nothing but the id, so that another order or limit moves no problem."""
    return int.from_bytes(sha256(problem_id.encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48
