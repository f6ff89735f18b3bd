"""The words that everything else uses: Problem, Request, Completion, Trace, Verdict, Score, and the one root error.

One record is one row: frozen, flat and JSON-able. `asdict` turns any of them into a JSON-able mapping.

Errors
    TracegenError            a failure worth one sentence              exit status 1
    ├── UsageError           the user's mistake: recipe, file, option  exit status 2
    │   └── Unavailable      data out of reach: gated, offline, absent exit status 2, or 1 where the network failed
    ├── BudgetReached        a hard cap of the recipe's `budget`       exit status 3
    └── MissingExtra         names the `pip install` that mends it     exit status 2
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "WHOLE",
    "BudgetReached",
    "Completion",
    "Message",
    "MissingExtra",
    "Outcome",
    "Problem",
    "Request",
    "Score",
    "Status",
    "Trace",
    "TracegenError",
    "Unavailable",
    "UsageError",
    "Verdict",
    "asdict",
]

Outcome = Literal["right", "wrong", "unverifiable", "error"]
Status = Literal["complete", "truncated", "no_reasoning", "malformed"]
WHOLE: frozenset[Status] = frozenset({"complete", "no_reasoning"})
"""What can become part of a corpus: neither cut off nor out of shape."""
Message = Mapping[str, str]


class TracegenError(Exception):
    """One sentence for the user: what happened, what was given, what is allowed, what to do."""

    exit_status = 1


class UsageError(TracegenError):
    """The user's mistake, found before any model is loaded."""

    exit_status = 2


class Unavailable(UsageError):
    """Data that cannot be had: gated or absent on the Hub, not in its folder, or (`offline`) out of reach.

    Of a benchmark, it is no error: the run goes on without it and lists it as unchecked.
    """

    def __init__(self, sentence: str, *, offline: bool = False) -> None:
        super().__init__(sentence)
        self.exit_status = 1 if offline else 2


class BudgetReached(TracegenError):
    """A cap of the recipe's `budget` was reached; everything finished is kept."""

    exit_status = 3


class MissingExtra(UsageError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed; get it with: pip install 'tracegen[{extra}]'")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked, and how an answer to it is judged."""

    id: str
    statement: str
    answer: str | None = None
    """The gold answer, as text."""
    verifier: str | None = None
    """The verifier that decides; None leaves it to the recipe's `verifiers`."""
    tests: Any = None
    """For code: assert statements, the source of `check(candidate)`, or stdin/stdout cases."""
    entry_point: str | None = None
    source: str | None = None
    domain: str | None = None
    licence: str | None = None
    conventions: Mapping[str, Any] = field(default_factory=dict)
    """Options of the verifier that hold for this problem, over the recipe's: how its benchmark wants to be judged."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Every other key of the row that it was read from."""


@dataclass(frozen=True, slots=True)
class Request:
    """One sample to be drawn from a teacher: what an engine is given."""

    key: str
    """Hash of everything that determines the sample (`ledger.sample_key`)."""
    problem_id: str
    teacher: str
    """The teacher's name in the recipe."""
    sample: int
    """0-based index among the samples of this problem and teacher."""
    messages: tuple[Message, ...]
    """Chat messages, `{"role": ..., "content": ...}` each."""
    sampling: Mapping[str, Any]
    """`temperature`, `top_p`, `max_tokens`, `stop`, `seed` ...: vLLM's names; `seed` is this sample's own.

    `max_tokens` bounds the whole completion, what stands in `prefix` included."""
    prefix: str = ""
    """What the assistant's turn holds already, tags included: an answer that was cut off, to be gone on with."""
    prefix_tokens: int = 0
    """Completion tokens of the prefix, paid for earlier."""
    forced: int = 0
    """Where the prefix closes the thinking by force: how many of `max_tokens` are meant for the answer."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine returns for one request. `error` set means that there is no text."""

    text: str = ""
    """The text as the model wrote it, with the part of the thinking tag that the chat template prefilled."""
    reasoning: str | None = None
    """The server's own reasoning channel, where it has one."""
    finish_reason: str | None = None
    """`stop`, `length`, or what else the server said."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    """Tokens that this request wrote, and that are paid for."""
    error: str | None = None
    prefix_tokens: int = 0
    """Completion tokens of the text that an earlier request wrote: 0 where an engine could not go on and began anew."""
    max_tokens: int | None = None
    """Of an answer that broke off earlier than the request's own limit: where. It is gone on with in a later launch."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A completion, parsed: `reasoning` is what stands inside `<think>`, `response` what follows."""

    key: str
    problem_id: str
    teacher: str
    sample: int
    prompt: tuple[Message, ...]
    reasoning: str
    response: str
    status: Status
    finish_reason: str | None
    tokens: int
    """Completion tokens, reasoning included."""
    verdict: "Verdict | None" = None
    """The deciding verdict, once there is one."""
    forced: bool = False
    """The thinking was closed by force when its tokens were used up."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verifier's finding. Only `right` and `wrong` are judgements; the other two are never folded into wrong."""

    outcome: Outcome
    answer: str | None = None
    """The answer that was found in the response."""
    reason: str = ""
    """A short code such as `equal`, `different`, `no_answer`, `timeout`."""
    place: str = ""
    """Where the answer stood in the response: `box`, `tag`, `sentence`, `bold`, `last_line`, `whole` ..."""
    span: tuple[int, int] | None = None
    """Start and end of the answer in the response, in characters."""
    detail: str = ""
    """What a person wants to read about it, such as the assertion that failed; at most some hundred characters."""
    share: float | None = None
    """Where votes were counted: the part of them that the verdict rests on."""
    key: str = ""
    """The trace's key; filled in by the stage, as are the fields below."""
    verifier: str = ""
    version: str = ""
    second_opinion: bool = False
    """Heard beside the verdict that counts, to be compared with it; it decides nothing."""
    conventions: Mapping[str, Any] = field(default_factory=dict)
    """The options that the verdict rests on, where they are not the verifier's defaults."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of `scores.jsonl`, with its 95 % interval."""

    benchmark: str
    role: Literal["teacher", "before", "after", "comparison"]
    model: str
    metric: str
    """`pass@1`, `pass@k`, `last_number@1`, `truncated`, or of a comparison: `after-before`, `retention` ..."""
    value: float
    low: float
    high: float
    problems: int
    samples: int
    tokens: int
    seconds: float
