"""The recipe's `student`: which model is trained, on what terms, and from which signals of its teachers.

Options of losses are not declared here: the signature of the loss is the only place (`registry.bind`).
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from tracegen import material
from tracegen.checked import Options, Strict
from tracegen.material import Points

Precision = Literal["auto", "float32", "bfloat16", "float16"]


class Lora(Strict):
    """peft's LoraConfig, in its usual short names."""

    r: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: list[str] | str = "all-linear"
    bits: Literal[4, 8] | None = None
    """The frozen base quantized by bitsandbytes (QLoRA); it is merged into the base as it was."""


class Guide(Strict):
    """A teacher whose distributions or layers the student learns from; under the name of one of the recipe's teachers
    it is that one's model."""

    model: str | None = None
    revision: str | None = None
    dtype: Precision = "auto"
    """Of a model that runs beside the student."""
    store: int | None = Field(None, ge=1)
    """Instead: its so many most probable tokens at each place, captured into the run once, before training."""
    by: str = "auto"
    """Who captures: vllm, server, hf; `auto` is vllm where it is installed, otherwise hf."""
    options: Options = {}
    """Of who captures."""
    tokenizer: str | None = None
    """A folder or name, where the model has none of its own."""
    stored: str | None = None
    """Or: a folder that was captured before."""

    ema: float | None = Field(None, ge=0, lt=1)
    """Or: an average of the student's own weights, of which each step keeps so much (0.999)."""
    hint: str | None = None
    """What the teacher finds in front of the prompt, such as "The answer is {{ answer }}."; without a model, the
    student as it was before training."""
    deeper: bool = False
    """Or: the student's own deeper layers, for its shallow ones."""

    @property
    def itself(self) -> bool:
        """Whether the teacher is the student in another shape."""
        return not self.model and (self.ema is not None or self.deeper or self.hint is not None)

    @model_validator(mode="after")
    def _one_source(self) -> "Guide":
        kinds = {"model": self.model, "stored": self.stored, "store": self.store, "revision": self.revision}
        kinds |= {"tokenizer": self.tokenizer, "dtype": self.dtype != "auto"}
        own = "ema" if self.ema is not None else "deeper" if self.deeper else None
        if own and (other := next((name for name, value in kinds.items() if value), None)):
            raise ValueError(f"with `{own}` the teacher is the student itself; leave `{other}` out")
        if self.deeper and (self.ema is not None or self.hint):
            raise ValueError("`deeper` looks at the student's own forward; leave `ema` and `hint` out")
        if self.hint and (self.store or self.stored):
            raise ValueError("a `hint` needs a model that runs beside the student; leave `store` and `stored` out")
        if self.store and self.stored:
            raise ValueError("`store` captures signals and `stored` names a folder of them; take one")
        if self.tokenizer and not (self.store or self.stored):
            raise ValueError("`tokenizer` is of a teacher that is stored; a model beside the student brings its own")
        if self.dtype != "auto" and (self.store or self.stored):
            raise ValueError("`dtype` is of a model that runs beside the student; leave it out, or set `options.dtype`")
        if not self.store and (self.options or self.by != "auto"):
            raise ValueError("`by` and `options` say how signals are captured; set `store`, to 64 for example")
        return self


class HeldOut(Strict):
    """Problems that are kept out of training, to watch it by. A number alone is `problems`, a path alone `corpus`."""

    problems: float = Field(0.05, gt=0)
    """How many; below 1: which share of them."""
    corpus: str | None = None
    """The problems of another corpus instead of some of this one's."""
    every: float = Field(0.1, gt=0)
    """Steps between two looks at them; below 1: a share of all steps."""
    answers: int = Field(64, ge=0)
    """To so many of them the student writes an answer at each look, which is verified."""
    max_tokens: int | None = Field(None, ge=1)
    """Of an answer. None: what `max_length` leaves beside the shortest prompt."""
    keep: Literal["accuracy", "loss", "last"] = "accuracy"
    """Which student is kept: the one that solves most, the one with the lowest loss, or the last."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        if isinstance(given, int | float):
            return {"problems": given}
        return {"corpus": given} if isinstance(given, str) else given


class Adapted(Strict):
    """A temperature of each position: `low` where the teacher is unsure, `high` where it is sure."""

    by: Literal["confidence"]
    low: float = Field(1.0, gt=0)
    high: float = Field(4.0, gt=0)


class Several(Strict):
    """How far each of several teachers is followed (`sft/several.py`)."""

    reliability: Literal["verified", "equal"] | dict[str, float | dict[str, float]] = "verified"
    """`verified`: by the verdicts on each teacher's traces; or a figure of each teacher, or of each of its domains."""
    by: str = "domain"
    """The column of the corpus that says what a row's domain is."""
    confidence: float | None = Field(1.0, gt=0)
    """The tau that the cross-entropy of the trace's token is divided by, in nats; null: it is not looked at."""
    conflict: float = Field(1.0, ge=0, le=1)
    """How much the teachers' disagreement takes from the weight of the distillation."""


class Distill(Strict):
    """alpha CE + (1 - alpha) sum of weight x loss, over the teachers; docs/distillation.md."""

    teachers: dict[str, Guide] = {}
    """None named: the recipe's only teacher, run beside the student."""
    losses: dict[str, Options] = {"forward_kl": {}}
    """Options of each loss, and its `weight` (1)."""
    alpha: Points = 0.5
    """The weight of the cross-entropy."""
    temperature: Points | Adapted = 1.0
    balance: Literal["fixed", "ratio", "uncertainty"] = "fixed"
    align: Literal["tokens", "spans"] = "tokens"
    """`spans`: teachers that cut text into other tokens, by the loss `uld`."""
    several: Several = Several()
    """Of more than one teacher."""
    missing: Literal["refuse", "skip"] = "refuse"
    """What becomes of rows of which a stored teacher says nothing: `skip` trains on their tokens alone."""


HOW_CAPTURED: Any = {"teachers": {"__all__": {"by", "options"}}}
"""Of `distill`: what a training does not depend on."""


class Student(Strict):
    """The model that is trained, and how. `trainer` holds TRL's own SFTConfig names."""

    model: str
    revision: str | None = None
    licence: str | None = None
    """The base model's; None: the table's, where it knows the model (docs/licences.md)."""
    method: Literal["sft", "distill", "on_policy"] = "sft"
    distill: Distill | None = None
    """Of `method: distill`, and the teacher of `method: on_policy`, which corrects what the student writes."""
    prompt: str | None = None
    """None: the recipe's `prompt`."""
    max_length: int = Field(1024, ge=8)
    data: material.Data | None = None
    """Several corpora; None: the run's own alone."""
    order: material.Order | None = None
    weights: material.Weights | None = None
    lora: Lora | None = None
    dtype: Precision = "auto"
    attention: str | None = None
    rope: Options | None = None
    """transformers' `rope_parameters` that differ from the student's, for contexts longer than its own."""
    launch: str | None = None
    """What starts the processes that train, such as `torchrun --nproc-per-node 2`; None: this process trains."""
    held_out: HeldOut | None = None
    stop_after: int | None = Field(None, ge=1)
    """Looks at the held-out problems in a row without a lower loss, behind which training ends."""
    trainer: Options = {}

    @model_validator(mode="after")
    def _one_method(self) -> "Student":
        material.check(self.data)
        if self.distill and self.method == "sft":
            raise ValueError("`distill` has no part in `method: sft`; set `method: distill`")
        if self.stop_after and not self.held_out:
            raise ValueError("`stop_after` goes by the loss on held-out problems; set `held_out`, to 0.05 for example")
        return self
