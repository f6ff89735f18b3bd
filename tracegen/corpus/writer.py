"""Takes traces one by one and leaves a corpus: three configs as Parquet, the recipe, the prompts, the funnel, the card.

Shape: `CorpusWriter(folder, ...)`, `add(trace, filter=..., reason=...)` for every trace of the run, kept or dropped,
`close(funnel)`. Rows stand in the order in which they came. Memory: one row group a config, a few numbers a problem.
Every trace is a row of `all`, and every problem one of `problems`. Texts stand there only where each gate of the recipe
lets them through (`tracegen/gates.py`); the others are withheld.
Limits: what else belongs into the folder, such as `decontamination.json`, must be there before `close` writes the card.
Whether an empty corpus is an error is for the caller to say.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tracegen.bill import Spent
from tracegen.corpus import card
from tracegen.corpus.card import About
from tracegen.corpus.census import Tally, census, tallies
from tracegen.corpus.columns import CONFIGS, TEXTS
from tracegen.corpus.shards import GROUP_ROWS, SHARD_BYTES, Shards
from tracegen.format import join
from tracegen.records import Message, Problem, Trace
from tracegen.redact import safe_recipe, without_secrets

LAYOUT = 3
"""Changes with what the folder holds, so that a corpus of an earlier shape is made anew."""
OF_TRACE = ("problem_id", "teacher", "sample", "key", "tokens", "forced", "status", "finish_reason")
OF_PROBLEM = ("source", "domain", "licence", "answer")
OF_TEACHER = ("model", "revision", "engine")


class CorpusWriter:
    """Writes into `folder`, which is made if need be."""

    def __init__(
        self,
        folder: Path,
        *,
        problems: Mapping[str, Problem],
        teachers: Mapping[str, Mapping[str, Any]],
        prompts: Mapping[str, Mapping[str, Any]],
        student_messages: Callable[[Problem], list[Message]],
        gated: bool,
        recipe: str,
        recipe_hash: str,
        name: str,
        licence: str | None = None,
        student_prompt: str | None = None,
        languages: Sequence[str] = ("en",),
        stats: Mapping[str, int | float | str] | None = None,
        shard_bytes: int = SHARD_BYTES,
        group_rows: int = GROUP_ROWS,
    ) -> None:
        """`teachers[name]` holds model, revision, engine, sampling, licence, may_train, url and prompt; `prompts[name]`
        what stands in the prompt's file; `gated`: the recipe has gates; `recipe` is YAML text, written without its
        secrets; `stats` are further lines of the card's table. A `licence` of None follows from the parts.
        """
        self.folder, self._problems, self._student_messages = folder, problems, student_messages
        self._teachers = without_secrets(teachers)
        self._recipe_hash = recipe_hash
        self._about = About(
            name=name,
            teachers=self._teachers,
            prompts=prompts,
            student_prompt=student_prompt,
            recipe_hash=recipe_hash,
            licence=licence,
            languages=languages,
            stats=stats or {},
        )
        self._recipe = recipe
        self._gated = gated
        self._shards = {
            config: Shards(folder / "data" / config, columns, shard_bytes=shard_bytes, group_rows=group_rows)
            for config, columns in CONFIGS.items()
        }
        self._prompt: tuple[str, list[Message]] = ("", [])

    def add(
        self, trace: Trace, *, filter: str | None = None, reason: str | None = None, withheld: bool = False
    ) -> None:
        """A trace that every filter kept, or, with `filter` and `reason`, one that was dropped.

        `withheld`: a gate keeps its texts back.
        """
        row = self._row(trace) | {"filter": filter, "reason": reason, "withheld": withheld}
        self._shards["all"].add(_withheld(row))
        if filter is None:
            self._shards["curated"].add(row)

    def close(self, funnel: Mapping[str, Any], *, spent: Mapping[str, Spent] | None = None) -> None:
        """Finish the files and write what describes them. `spent[name]` is what was paid to a teacher, or to a model
        that a verifier, a filter or the source asked.
        """
        written = {config: self._shards[config].close() for config in ("curated", "all")}
        counts = tallies(self.folder)
        for problem in self._problems.values():
            tally = counts.get(problem.id, Tally())
            # A gate sees a problem with its traces: where none has passed, nobody knows that the problem would.
            row = _problem_row(problem, tally) | {"withheld": self._gated and not tally.given}
            self._shards["problems"].add(_withheld(row))
        written["problems"] = self._shards["problems"].close()
        self._write("funnel.json", json.dumps(funnel, indent=2, ensure_ascii=False) + "\n")
        self._write("recipe.yaml", safe_recipe(self._recipe))
        for name, prompt in self._about.prompts.items():
            fields = {field: value for field, value in prompt.items() if field != "name" and value}
            self._write(f"prompts/{name}.yaml", yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))
        counted = census(self.folder)
        self._write("README.md", card.render(self.folder, self._about, funnel, counted, written, spent or {}))
        self._write("croissant.json", card.metadata(self.folder, self._about, counted))

    def _row(self, trace: Trace) -> dict[str, Any]:
        problem, teacher = self._problems[trace.problem_id], self._teachers[trace.teacher]
        verdict, may_train = trace.verdict, teacher.get("may_train")
        answer = {"role": "assistant", "content": join(trace.reasoning, trace.response)}
        return {
            "messages": [*self._prompt_of(problem), answer],
            **{column: getattr(problem, column) for column in OF_PROBLEM},
            **{column: teacher.get(column) for column in OF_TEACHER},
            "sampling": json.dumps(teacher.get("sampling") or {}, sort_keys=True),
            "teacher_licence": teacher.get("licence"),
            "may_train": may_train if isinstance(may_train, bool) else None,
            **{column: getattr(trace, column) for column in OF_TRACE},
            "verdict": verdict and verdict.outcome,
            "verifier": verdict and verdict.verifier,
            "verifier_version": verdict and verdict.version,
            "verdict_answer": verdict and verdict.answer,
            "verdict_reason": verdict and verdict.reason,
            "recipe_hash": self._recipe_hash,
        }

    def _prompt_of(self, problem: Problem) -> list[Message]:
        """The samples of a problem come one after the other, and share their prompt."""
        if self._prompt[0] != problem.id or not self._prompt[1]:
            messages = [{"role": m["role"], "content": m["content"]} for m in self._student_messages(problem)]
            self._prompt = (problem.id, list[Message](messages))
        return self._prompt[1]

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # What a model or a source wrote may hold half a surrogate pair, which UTF-8 cannot.
        path.write_text(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), encoding="utf-8")


def _withheld(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it may be given away."""
    return {name: None if name in TEXTS else value for name, value in row.items()} if row["withheld"] else row


def _problem_row(problem: Problem, tally: Tally) -> dict[str, Any]:
    return {
        "problem_id": problem.id,
        **{column: getattr(problem, column) for column in (*OF_PROBLEM, "statement", "verifier", "entry_point")},
        "tests": None if problem.tests is None else json.dumps(problem.tests, ensure_ascii=False),
        **tally._asdict(),
        "pass_rate": tally.right / tally.judged if tally.judged else None,
    }
