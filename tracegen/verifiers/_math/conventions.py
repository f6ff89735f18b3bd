"""What counts as the same answer where people differ: each convention has a name, and a verdict says which held."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Conventions:
    """The options of the math verifier, with what the field does by default."""

    tolerance: float = 0.0
    """Relative difference up to which numbers are equal."""
    percent: Literal["both", "ignore", "value"] = "both"
    """`both`: 28 % is neither 28 nor 0.28; `ignore`: the sign is passed over; `value`: 28 % is 0.28."""
    units: Literal["lenient", "strict", "ignore"] = "lenient"
    """`lenient`: a unit may be missing or added, not contradict; `strict`: it must be there."""
    form: Literal["value", "simplified"] = "value"
    """`simplified`: a value in another form than the gold's is wrong, the order of sums and products aside."""
    order: bool = False
    """Whether lists without brackets and sets are ordered."""
    case: bool = False
    """Whether words differ by letter case."""


DEFAULT = Conventions()
