"""What became of a corpus before the first step: what was dropped and why, what is left, and how it fills packs.

Shape: `report(rows, counts, ...) -> Hygiene`; `table(hygiene)` is the text for the terminal. The same figures go to the
student's `rows.json`. Rows are dropped, never cut: a trace without its end teaches a student not to stop.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from sft.packing import efficiency, packs

if TYPE_CHECKING:
    from sft.data import Row

REASONS = {
    "over_length": "longer than max_length",
    "empty": "no answer",
    "unterminated": "cut off: finish_reason is length, or the thinking never ends",
    "no_reasoning": "no thinking, where the template opens it",
    "thinking_closed": "thinking, where the template has closed it",
    "end_of_turn_inside": "end of turn inside the trace",
    "tool_calls": "the answer is a call of tools",
    "lost_in_template": "the template leaves a part of the prompt out",
    "template_refuses": "the template refuses the chat",
}
"""Why a row is dropped."""


@dataclass(frozen=True, slots=True)
class Hygiene:
    """`read` is `kept` plus all that were dropped. Tokens and lengths are of the rows of an epoch."""

    read: int
    kept: int
    over_length: int
    empty: int
    unterminated: int
    no_reasoning: int
    thinking_closed: int
    end_of_turn_inside: int
    tool_calls: int
    lost_in_template: int
    template_refuses: int
    """Up to here: dropped, for the reasons of REASONS."""
    rows: int
    """Of an epoch. Another number than `kept` where parts are mixed."""
    without_thinking: int
    """Of an epoch: rows that answer at once."""
    masked_thinking: int
    """Of an epoch: rows in which an earlier turn thinks, which is prompt and so not trained on."""
    duplicate_prompts: int
    """Rows whose prompt a row before has; several traces of one problem are such."""
    duplicate_rows: int
    """Of these, rows that answer it in the very same words."""
    prompt_tokens: int
    thinking_tokens: int
    """Trained on, the closing tag included."""
    answer_tokens: int
    """Trained on, the end of the turn included."""
    trained_tokens: int
    """Thinking and answer."""
    median: int
    p90: int
    """Nine of ten rows are no longer."""
    p99: int
    longest: int
    """Tokens of the longest row."""
    max_length: int
    packs: int
    """That `packing: true` would make of an epoch, each of `max_length` tokens."""
    packing_efficiency: float
    """The share of their tokens that is no empty room."""
    end_of_turn: str
    """What every kept row ends with."""
    prefilled: str
    """The opening tag that the template writes for the student; it counts as prompt."""
    parts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of a mixture: read, kept and rows of an epoch of each part."""
    refusal: str = ""
    """What the template said of the first chat that it refused."""
    held_out: int = 0
    """Kept rows of problems that are held out: no rows of an epoch, but still counted among those of `parts`."""


def report(
    rows: Sequence["Row"],
    counts: Mapping[str, int],
    *,
    max_length: int,
    end_of_turn: str,
    prefilled: str,
    parts: Mapping[str, dict[str, int]] | None = None,
    refusal: str = "",
) -> Hygiene:
    """`rows` are those of an epoch; `counts` has read and kept, and the dropped by their reason."""
    lengths = sorted(len(row.input_ids) for row in rows)
    trained = sum(len(row.input_ids) - row.prompt for row in rows)
    thinking = sum(row.thinking for row in rows)
    packed = packs(lengths, max_length)
    return Hygiene(
        **{name: counts.get(name, 0) for name in ("read", "kept", *REASONS)},
        rows=len(rows),
        without_thinking=sum(not row.thinking for row in rows),
        masked_thinking=sum(row.masked_thinking for row in rows),
        duplicate_prompts=len(rows) - len({tuple(row.input_ids[: row.prompt]) for row in rows}),
        duplicate_rows=len(rows) - len({tuple(row.input_ids) for row in rows}),
        prompt_tokens=sum(lengths) - trained,
        thinking_tokens=thinking,
        answer_tokens=trained - thinking,
        trained_tokens=trained,
        median=_share(lengths, 0.5),
        p90=_share(lengths, 0.9),
        p99=_share(lengths, 0.99),
        longest=lengths[-1] if lengths else 0,
        max_length=max_length,
        packs=len(packed),
        packing_efficiency=round(efficiency(lengths, packed, max_length), 4),
        end_of_turn=end_of_turn,
        prefilled=prefilled,
        parts={name: dict(part) for name, part in (parts or {}).items()},
        refusal=refusal,
    )


def left(hygiene: Hygiene, rows: Sequence["Row"], held_out: int) -> Hygiene:
    """The same where so many rows are held out and `rows` are left for an epoch."""
    again = report(
        rows,
        {name: getattr(hygiene, name) for name in ("read", "kept", *REASONS)},
        max_length=hygiene.max_length,
        end_of_turn=hygiene.end_of_turn,
        prefilled=hygiene.prefilled,
        parts=hygiene.parts,
        refusal=hygiene.refusal,
    )
    return replace(again, held_out=held_out)


def nothing_left(corpus: str, hygiene: Hygiene) -> str:
    """Why there is nothing to train on."""
    if not hygiene.read:
        return f"the corpus {corpus} has no rows; there is nothing to train on."
    counts = ", ".join(f"{name} {getattr(hygiene, name)}" for name in REASONS if getattr(hygiene, name))
    said = f" ({hygiene.refusal})" if hygiene.refusal else ""
    return (
        f"none of the {hygiene.read} rows of {corpus} can be trained on at max_length {hygiene.max_length}: "
        f"{counts}{said}."
    )


def table(hygiene: Hygiene) -> str:
    """For the terminal; of what happened to no row, it says nothing."""
    made = Table("what is trained on", "rows", "", box=box.SIMPLE, header_style="", pad_edge=False)
    made.columns[1].justify = "right"
    made.add_row("read", f"{hygiene.read:,}")
    for name, why in REASONS.items():
        if count := getattr(hygiene, name):
            made.add_row(f"- {name}", f"{count:,}", why if name != "template_refuses" else hygiene.refusal or why)
    made.add_row("kept", f"{hygiene.kept:,}", f"each ends with {hygiene.end_of_turn}", end_section=True)
    for name, part in hygiene.parts.items():
        made.add_row(f"of {name}", f"{part['rows']:,}", f"an epoch; {part['kept']:,} kept of {part['read']:,}")
    if hygiene.held_out:
        made.add_row("held out", f"{hygiene.held_out:,}")
    if hygiene.rows != hygiene.kept:
        made.add_row("an epoch", f"{hygiene.rows:,}", end_section=True)
    for name, why in {
        "without_thinking": "answer at once",
        "masked_thinking": "an earlier turn's thinking is prompt",
        "duplicate_prompts": f"a prompt asked before; {hygiene.duplicate_rows:,} with the same answer",
    }.items():
        if count := getattr(hygiene, name):
            made.add_row(name.replace("_", " "), f"{count:,}", why)
    tokens = hygiene.prompt_tokens + hygiene.trained_tokens
    shares = {"prompt": hygiene.prompt_tokens, "thinking": hygiene.thinking_tokens, "answer": hygiene.answer_tokens}
    said = ", ".join(f"{name} {count / max(1, tokens):.0%}" for name, count in shares.items())
    made.add_section()
    made.add_row("tokens", f"{tokens:,}", f"{said}; {hygiene.trained_tokens:,} trained on")
    lengths = f"90 % up to {hygiene.p90:,}, 99 % up to {hygiene.p99:,}, longest {hygiene.longest:,}"
    made.add_row("tokens a row", f"{hygiene.median:,}", f"median; {lengths}")
    full = f"of {hygiene.max_length:,} tokens, {hygiene.packing_efficiency:.1%} full"
    made.add_row("packs", f"{hygiene.packs:,}", full)
    text = io.StringIO()
    Console(file=text, width=110, highlight=False).print(made)
    return "\n".join(line.strip() for line in text.getvalue().strip().splitlines())


def _share(ordered: Sequence[int], share: float) -> int:
    """The nearest-rank quantile."""
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else 0
