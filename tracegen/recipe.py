"""The typed recipe: how it is loaded, overridden, checked and kept.

A recipe is YAML in which everything is named, so that every value has an address
(`teachers.smol.sampling.n=4` on the command line). Unknown fields are refused with the names that are allowed.
Options of sources, engines, verifiers, filters and benchmarks are not declared here: the signature of the function
that they configure is the only place (`registry.bind`).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tracegen.checked import Options, Strict, checked
from tracegen.records import Outcome, UsageError
from tracegen.redact import without_secrets
from tracegen.student import Student


class Problems(BaseModel):
    """Where problems come from; every field but `source` is an option of that source."""

    model_config = ConfigDict(extra="allow", frozen=True)
    source: str

    @property
    def options(self) -> Options:
        return dict(self.model_extra or {})


class Sampling(Strict):
    """vLLM's names. `max_tokens` is a budget: raising it keeps every finished answer."""

    n: int = Field(1, ge=1)
    temperature: float = Field(1.0, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    stop: list[str] | None = None
    max_tokens: int = Field(2048, ge=1)


class Prices(Strict):
    """US dollars: per million tokens, or per hour for a model that runs on machines of your own."""

    input: float = Field(0.0, ge=0)
    output: float = Field(0.0, ge=0)
    batch_discount: float = Field(0.5, ge=0, le=1)
    """The part that is taken off where the engine is `batch_api`."""
    gpu_hour: float = Field(0.0, ge=0)
    """What one GPU costs in an hour, for as long as the engine runs."""
    gpus: float = Field(1.0, gt=0)


class Terms(Strict):
    """What the teacher's licence says of its outputs; the table's word where nothing is said (docs/licences.md)."""

    licence: str | None = None
    may_train: bool | Literal["unknown"] = "unknown"
    url: str | None = None


class Teacher(Strict):
    """A model that writes traces, and how it is asked."""

    engine: str = "auto"
    model: str
    revision: str | None = None
    prompt: str | None = None
    """None: the recipe's `prompt`."""
    reasoning: Literal["native", "prompted", "none"] = "prompted"
    sampling: Sampling = Sampling()
    options: Options = {}
    prices: Prices | None = None
    """None: the price table's, where it knows the model; otherwise nothing is counted in dollars."""
    terms: Terms = Terms()
    share: float | None = Field(None, gt=0)
    """Problems are dealt out among the teachers that have a share, in these proportions; None: asked all of them."""
    after: str | None = None
    """Another teacher: this one is asked only the problems that the other leaves unsolved."""
    force_answer: int | None = Field(None, ge=1)
    """Where the thinking is cut off at `max_tokens`: close it, and let so many tokens follow for the answer."""


class Verifier(BaseModel):
    """When a verifier is heard; every other field is an option of it, or of the model that it asks (`Asked`)."""

    model_config = ConfigDict(extra="allow", frozen=True)
    only: list[Outcome] | None = None
    """Heard only where the verdict before it has one of these outcomes; [] is never, None wherever none has decided."""
    second_opinion: float = Field(0.0, ge=0, le=1)
    """The share of the judged traces on which it is heard as well, without deciding."""

    @field_validator("only", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @property
    def options(self) -> Options:
        return dict(self.model_extra or {})


class Asked(Strict):
    """The model that a verifier asks, described as a teacher is."""

    engine: str = "auto"
    model: str
    revision: str | None = None
    sampling: Sampling = Sampling(temperature=0.0)
    options: Options = {}
    prices: Prices | None = None


class Corpus(Strict):
    """How the corpus is published."""

    licence: str | None = None
    repo: str | None = None
    private: bool = False


class Benchmark(BaseModel):
    """How a benchmark is asked and judged; any name of `sampling` is its own, every other field is an option of it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    benchmark: str | None = None
    """Its name on the shelf, where the recipe calls it by another: several tasks of `gym` have names of their own."""
    prompt: str | None = None
    """For whoever is asked. None: the benchmark's own, else the prompt of the one who is asked."""
    conventions: Options = {}
    """Options of its verifier, over those that it declares itself."""

    @property
    def sampling(self) -> Options:
        return {name: value for name, value in (self.model_extra or {}).items() if name in Sampling.model_fields}

    @property
    def options(self) -> Options:
        return {name: value for name, value in (self.model_extra or {}).items() if name not in Sampling.model_fields}


class Evaluate(Strict):
    """Which held-out problems, how they are sampled, and by which engine."""

    benchmarks: dict[str, Benchmark] = {}
    sampling: Sampling = Sampling(temperature=0.0)
    k: list[Annotated[int, Field(ge=1)]] = Field([1], min_length=1)
    engine: str = "auto"
    """For the student before and after training; a teacher keeps its own."""
    options: Options = {}

    @field_validator("benchmarks", mode="before")
    @classmethod
    def _empty_means_no_options(cls, value: Any) -> Any:
        return _named_options(value)

    def sampling_of(self, benchmark: str) -> Sampling:
        """The sampling of one benchmark: the recipe's, with what the benchmark says of its own over it."""
        own = self.benchmarks[benchmark].sampling
        return checked(Sampling, self.sampling.model_dump() | own, f"evaluate.benchmarks.{benchmark}: ")


class Schedule(Strict):
    """How samples are spent on problems; by default each gets the `n` of every teacher."""

    stop_after: int | None = Field(None, ge=1)
    """Right traces that make a problem solved: its samples not yet started are not asked for."""
    up_to: int | None = Field(None, ge=1)
    """Samples of a teacher for a problem that stays unsolved; None: its `n`."""
    floor: float = Field(0.1, ge=0, lt=1)
    """The part of the samples that goes to hard problems in turn, whatever else is likelier to succeed."""

    @property
    def enough(self) -> int:
        """Right traces that make a problem solved, for a teacher behind another too."""
        return self.stop_after or 1

    def steers(self, after: str | None) -> bool:
        """Whether verdicts decide what a teacher is asked that comes `after` another, or after none."""
        return self.stop_after is not None or bool(after)


class Place(Strict):
    """Where a stage does its work: on this machine, or on a Ray cluster."""

    on: Literal["local", "ray"] = "local"

    @model_validator(mode="before")
    @classmethod
    def _yaml_takes_on_for_true(cls, value: Any) -> Any:
        return {"on" if name is True else name: value[name] for name in value} if isinstance(value, dict) else value


class Judging(Place):
    """Where verifiers run."""

    workers: int | None = Field(None, ge=1)
    """Processes, on ray on each node; None: one per core."""


class Budget(Strict):
    """Hard caps, summed over all launches of a run. None means no cap."""

    usd: float | None = Field(None, gt=0)
    tokens: int | None = Field(None, gt=0)
    seconds: float | None = Field(None, gt=0)


class Recipe(Strict):
    """A whole run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = 1
    problems: Problems
    prompt: str
    teachers: dict[str, Teacher] = Field(min_length=1)
    schedule: Schedule = Schedule()
    verifiers: dict[str, Verifier] = {"math": Verifier()}
    judging: Judging = Judging()
    filters: dict[str, Options] = {}
    curating: Place = Place()
    """Where filters run."""
    corpus: Corpus = Corpus()
    student: Student | None = None
    benchmarks_dir: str | None = None
    evaluate: Evaluate = Evaluate()
    budget: Budget = Budget()

    @field_validator("verifiers", "filters", mode="before")
    @classmethod
    def _empty_means_no_options(cls, value: Any) -> Any:
        return _named_options(value)

    def to_yaml(self) -> str:
        """The resolved recipe: what `tracegen show` prints and a run keeps."""
        return yaml.safe_dump(self.model_dump(exclude_none=True), sort_keys=False, allow_unicode=True, width=120)


def load(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, apply `address=value` overrides (values are YAML), validate."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise UsageError(f"{path} is not a recipe: it holds no named fields.")
    for override in overrides:
        _override(tree, override)
    _refuse_secrets(tree)
    return checked(Recipe, tree, f"{path}: ")


def _named_options(value: Any) -> Any:
    return {name: given or {} for name, given in value.items()} if isinstance(value, dict) else value


def _override(tree: dict[str, Any], override: str) -> None:
    address, equals, text = override.partition("=")
    if not equals or not address:
        raise UsageError(f"{override!r} is not an override; write address=value, as in teachers.smol.sampling.n=4.")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"{override!r}: the value is not valid YAML.") from None
    *parents, last = address.split(".")
    node = tree
    for name in parents:
        if node.get(name) is None:
            node[name] = {}
        node = node[name]
        if not isinstance(node, dict):
            raise UsageError(f"{override!r}: {name!r} is a value and has no fields below it.")
    node[last] = value


def _refuse_secrets(tree: Any) -> None:
    for address, key, value in _leaves(tree, ""):
        if without_secrets(value, key) != value:
            raise UsageError(
                f"{address} holds a secret, and a recipe is kept and published; "
                "put it into an environment variable and name that one in api_key_env."
            )


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            address = f"{path}.{key}" if path else str(key)
            if isinstance(value, Mapping):
                yield from _leaves(value, address)
            else:
                yield address, str(key), value
