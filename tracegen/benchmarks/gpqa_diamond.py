"""GPQA Diamond: 198 graduate-level questions in biology, physics and chemistry (Rein et al. 2023, arXiv:2311.12022),
CC BY 4.0.

From the Hub's `Idavidrein/gpqa` (its part `gpqa_diamond`), which is gated: its page asks for your consent, and
`hf auth login` for a token. Or from `<benchmarks_dir>/gpqa_diamond/*.jsonl` with the same fields.
The four choices stand in an order that is drawn once for each question from its `Record ID`. The authors ask that the
questions appear nowhere in plain text, so that no corpus takes them up: the report of `decontaminate` quotes none.
"""

from collections.abc import Iterator
from random import Random

from tracegen import rows
from tracegen.records import Problem

PROMPT = "choice"
LETTERS = "ABCD"
CHOICES = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def gpqa_diamond(*, limit: int | None = None, benchmarks_dir: str | None = None) -> Iterator[Problem]:
    """Graduate-level science, four choices: the 198 hardest questions of GPQA. Gated on the Hub."""
    table = rows.benchmark("gpqa_diamond/*.jsonl", "Idavidrein/gpqa", "gpqa_diamond", "train", benchmarks_dir)
    for where, row in rows.first(table, limit):
        key = rows.require(row, "Record ID", where)
        order = Random(key).sample(CHOICES, len(CHOICES))
        choices = {letter: rows.require(row, name, where).strip() for letter, name in zip(LETTERS, order, strict=True)}
        listed = "\n".join(f"{letter}) {text}" for letter, text in choices.items())
        yield Problem(
            id=f"gpqa-{key}",
            statement=f"{rows.require(row, 'Question', where).strip()}\n\n{listed}",
            answer=LETTERS[order.index(CHOICES[0])],
            verifier="choice",
            source="Idavidrein/gpqa",
            domain=rows.text_of(row, "High-level domain", where),
            licence="cc-by-4.0",
            extra={"choices": choices, "confidential": True},
        )
