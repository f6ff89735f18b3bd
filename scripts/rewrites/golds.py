"""The gold answers of MATH-500, with what the rewrites need to know of each."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import sympy

from rewrites.reader import Value, read, split

UNIT = re.compile(r"\^\\circ$|\\(?:text|mbox)\{ [a-z]+\}(?:\^2)?$")
THOUSANDS = re.compile(r"\d{1,3}(,(\\!)? ?\d{3})+")


@dataclass(frozen=True)
class Gold:
    """An answer: `text` as the benchmark has it, `core` without unit, currency and thousands marks."""

    text: str
    core: str
    value: Value
    unit: str = ""
    """As it stands in the text: `^\\circ`, `\\text{ cents}`, or `\\$`, which stands in front."""

    @property
    def number(self) -> sympy.Expr | None:
        """The value where it is a rational number, written without letters."""
        return self.scalar if self.scalar is not None and self.scalar.is_Rational else None

    @property
    def scalar(self) -> sympy.Expr | None:
        return self.value.expression if self.value.kind == "scalar" else None

    @property
    def items(self) -> list[str]:
        """Of a tuple, interval, set or list: how its parts are written; else nothing."""
        if self.value.kind not in ("tuple", "interval", "set") or r"\pm" in self.core:
            return []
        bare = self.core.removeprefix(r"x \in").replace(r"\left", "").replace(r"\right", "").strip()
        inner = bare[2:-2] if bare.startswith(r"\{") else bare[1:-1] if self.value.marks else bare
        return [part.strip() for part in split(inner)]

    def with_items(self, items: list[str]) -> str:
        opening, closing = (r"\{", r"\}") if self.core.startswith(r"\{") else self.value.marks or ("", "")
        return opening + ", ".join(items) + closing

    def with_unit(self, core: str) -> str:
        """Another core in the clothes of this answer."""
        return rf"\${core}" if self.unit == r"\$" else core + self.unit


def load(folder: Path) -> list[Gold]:
    """Every distinct answer that can be read, in the order of the file."""
    lines = (folder / "math500" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    answers = dict.fromkeys(json.loads(line)["answer"] for line in lines)
    return [gold for answer in answers if (gold := undress(answer))]


def undress(text: str) -> Gold | None:
    unit = r"\$" if text.startswith(r"\$") else found[0] if (found := UNIT.search(text)) else ""
    core = text.removeprefix(unit).removesuffix(unit).strip()
    if THOUSANDS.fullmatch(core):
        core = re.sub(r"[^\d]", "", core)
    value = read(core)
    return Gold(text, core, value, unit) if value else None
