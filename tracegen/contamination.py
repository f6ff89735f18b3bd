"""What decontamination found, written down in the corpus, and whether the corpus may be published.

write(corpus, dropped, benchmarks, ...)   makes `decontamination.json` of what the filter dropped
clean(corpus)                             the one sentence why it may not be published, or None

`decontamination.json`: `ngram`; `benchmarks`, by name the `problems` looked for and the traces `flagged`; `rules`, how
many traces each flagged; `unchecked`, by name why; `examples`, up to EXAMPLES of each benchmark, with the words of both
sides. Memory: the examples.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tracegen import registry, rundir
from tracegen.dropped import REASONS
from tracegen.records import Problem, UsageError

FILTER = "decontaminate"
FILE = "decontamination.json"
EXAMPLES = 5
"""Of each benchmark; one of a problem, since its traces share the statement that was found."""


def write(
    corpus: Path,
    dropped: Path,
    *,
    benchmarks: Mapping[str, Sequence[Problem]],
    unchecked: Mapping[str, str],
    options: Mapping[str, Any],
) -> str:
    """Write the report into the corpus; a sentence about it. `options` are the filter's, as the recipe gives them."""
    flagged: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    examples: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in _rows(dropped / REASONS):
        flagged[row["reason"]] += 1
        evidence = json.loads(row["detail"] or "{}")
        rules[evidence.get("rule", "unknown")] += 1
        shown = examples[row["reason"]]
        if len(shown) < EXAMPLES:
            shown.setdefault(row["problem_id"], {"key": row["key"], "problem_id": row["problem_id"]} | evidence)
    report = {
        "ngram": options.get("ngram") or registry.options(registry.load("filter", FILTER))["ngram"].default,
        "benchmarks": {
            name: {"problems": len(those), "flagged": flagged[name]} for name, those in sorted(benchmarks.items())
        },
        "rules": dict(sorted(rules.items())),
        "unchecked": dict(sorted(unchecked.items())),
        "examples": [example for _, shown in sorted(examples.items()) for example in shown.values()],
    }
    rundir.write_atomically(corpus / FILE, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return _sentence(report)


def clean(corpus: Path, benchmarks: Collection[str] = ()) -> str | None:
    """Why a benchmark may stand in the corpus; None where each was looked for and what holds it was dropped.

    `benchmarks` are those that the recipe names now; those of the recipe that made the corpus count in any case.
    """
    try:
        report = json.loads(_text(corpus / FILE) or "null")
        made_by = yaml.safe_load(_text(corpus / "recipe.yaml")) or {}
        against = ((made_by.get("filters") or {}).get(FILTER) or {}).get("against")
        evaluated = list((made_by.get("evaluate") or {}).get("benchmarks") or {})
        named = [*evaluated, *(against if isinstance(against, list) else ())]
        looked_for = None if report is None else report["benchmarks"].keys()
    except (ValueError, AttributeError, TypeError, KeyError, yaml.YAMLError):
        raise UsageError(f"the corpus in {corpus} is damaged; run `tracegen curate` again.") from None
    if looked_for is None:
        return (
            "the corpus was not decontaminated; put `decontaminate` among the recipe's filters and run "
            "`tracegen curate` again, or say --contaminated-ok, which the card then repeats."
        )
    if not looked_for:
        return (
            "the corpus was compared with no benchmark; name some in evaluate.benchmarks, or set "
            "filters.decontaminate.against=all, and run `tracegen curate` again."
        )
    if out_of_reach := [name for name in named if name not in looked_for]:
        return (
            f"the corpus was not checked against {', '.join(out_of_reach)}, which the recipe names and which could not "
            "be loaded; make it loadable, or take it out of the recipe, and run `tracegen curate` again."
        )
    if new := [name for name in benchmarks if name not in evaluated]:
        return (
            f"the corpus was made before the recipe named {', '.join(new)}, and was not checked against it; "
            "run `tracegen curate` again."
        )
    return None


def _rows(path: Path) -> Any:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["key", "problem_id", "filter", "reason", "detail"]):
            yield from (row for row in batch.to_pylist() if row["filter"] == FILTER)


def _sentence(report: Mapping[str, Any]) -> str:
    flagged = {name: row["flagged"] for name, row in report["benchmarks"].items() if row["flagged"]}
    found = ", ".join(f"{name} ({count})" for name, count in flagged.items()) or "a benchmark"
    unchecked = ", ".join(report["unchecked"])
    return (
        f"{FILTER}: {sum(flagged.values())} traces hold a question of {found}; looked for: "
        f"{', '.join(report['benchmarks']) or 'none'}" + (f"; unchecked: {unchecked}." if unchecked else ".")
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
