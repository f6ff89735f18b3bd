"""Markdown for cards, in which no text of a model can break out of its place.

Shape: a jinja environment over `tracegen/templates` and the filters that cards need.
"""

import json
import re
from pathlib import Path
from typing import Any

import jinja2


def environment() -> jinja2.Environment:
    """The house's templates, with filters for text (`code`, `cell`, `fenced`, `json`) and for numbers (the others)."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(code=inline_code, cell=cell, fenced=fenced, counted=counted)
    environment.filters.update(figure="{:,}".format, json=json.dumps)
    environment.filters.update(bytes=of_bytes, bar=bar, percent=percent)
    return environment


def fenced(text: str, language: str = "text") -> str:
    """`text` as a code block that nothing inside it can end: the fence is longer than any run of backticks in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def inline_code(value: Any) -> str:
    """`value` on one line as inline code."""
    text = " ".join(str(value).split())
    if not text:
        return ""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def cell(value: Any) -> str:
    """`value` as inline code for a table, where even code may not hold a bare pipe."""
    return inline_code(value).replace("|", "\\|")


def of_bytes(number: int) -> str:
    """`940 B`, `1.2 MB`: powers of a thousand, as shops and the Hub count; not to be broken over two lines."""
    size = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g}\u00a0{unit}"
        size /= 1000
    return f"{size:.3g}\u00a0TB"


def percent(share: float) -> str:
    """`99.6 %`."""
    return f"{100 * share:.1f}\u00a0%"


def bar(number: float, most: float, width: int = 20) -> str:
    """A part of the whole as blocks, to an eighth of one; anything above nothing shows."""
    eighths = max(round(8 * width * number / most) if most else 0, number > 0)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def counted(number: int, word: str) -> str:
    """`1 row`, `1,234 rows`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
