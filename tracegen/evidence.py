"""What the files of a run directory say, as plain numbers and a few texts: the evidence under the report.

Every function takes the run directory and reads only the part that it is named after; where that part is not made yet,
it returns nothing. Limits: traces are read one by one and only their sizes are kept.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tracegen import prices
from tracegen.bill import COLUMNS, Bill, Spent, per_verified
from tracegen.format import split
from tracegen.generate import parse
from tracegen.ledger import best, read
from tracegen.panel import decide
from tracegen.recipe import Prices, Schedule, Teacher
from tracegen.records import WHOLE, Problem, UsageError
from tracegen.redact import safe_recipe, without_secrets
from tracegen.rundir import recipes
from tracegen.verdicts import present

TEXT = 200_000
"""Characters of the accepted trace: some 50,000 tokens, and a tenth of a page of two megabytes."""
DROPPED_TEXT = 6_000
POINTS = 1_000
"""Of the curve of what was paid: more than a screen has columns for it."""


class Seen(NamedTuple):
    """What the page needs to know of one trace."""

    problem: str
    teacher: str
    tokens: int
    status: str
    outcome: str
    reason: str
    forced: bool

    @property
    def whole(self) -> bool:
        """Whether it can become part of a corpus."""
        return self.status in WHOLE


def traces(run: Path, problems: Mapping[str, Problem]) -> Iterator[Seen]:
    """Every answer of the ledger with its deciding verdict."""
    verdicts = present(run / "verdicts", problems)
    for row in best(run / "traces"):
        if row["error"] is not None:
            continue
        trace = parse(row)
        # Under another gold answer than the present one, or by another panel, a verdict is history.
        verdict = decide(verdicts(trace.key, trace.problem_id))
        outcome, reason = (verdict.outcome, verdict.reason) if verdict else ("not judged", "")
        yield Seen(trace.problem_id, trace.teacher, trace.tokens, trace.status, outcome, reason, trace.forced)


def teachers(run: Path, teachers: Mapping[str, Any], traces: Sequence[Seen]) -> Iterator[dict[str, Any]]:
    """One row per teacher, with everything it was paid for: failures and answers that were continued count too."""
    recipes = {name: Teacher.model_validate(teacher) for name, teacher in teachers.items()}
    found = {name: price for name, teacher in recipes.items() if (price := prices.of(teacher))}
    bill = Bill({name: price.prices for name, price in found.items()})
    latest: dict[str, dict[str, Any]] = {}
    continued: Counter[str] = Counter()
    for row in read(run / "traces", columns=(*COLUMNS, "revision", "prefix_tokens")):
        bill.add(row)
        latest[row["teacher"]] = row
        continued[row["teacher"]] += bool(row.get("prefix_tokens"))
    for name, spent in bill.teachers.items():
        own = [trace for trace in traces if trace.teacher == name]
        outcomes = Counter(trace.outcome for trace in own)
        yield {
            "teacher": name,
            "model": latest[name]["model"],
            "revision": latest[name]["revision"],
            "traces": len(own),
            "failed": spent.failed,
            "continued": continued[name],
            "forced": sum(trace.forced for trace in own),
            "right": outcomes["right"],
            "judged": outcomes["right"] + outcomes["wrong"],
            "input": spent.input,
            "output": spent.output,
            "seconds": spent.seconds,
            "usd": spent.usd,
            "price": found[name].source if name in found else None,
            "per_verified": per_verified(spent, outcomes["right"]),
        }


def paid(run: Path, teachers: Mapping[str, Any]) -> tuple[str, list[tuple[float, float]]]:
    """What all launches have paid for by when: `dollars`, or `tokens` where a price is not known, over minutes of work.

    Between two launches no time passes.
    """
    bill = Bill(prices.known({name: Teacher.model_validate(teacher) for name, teacher in teachers.items()}))

    def now() -> tuple[float, float, float]:
        spent = bill.teachers.values()
        return bill.seconds / 60, sum(one.usd or 0.0 for one in spent), float(sum(one.tokens for one in spent))

    points, every = [now()], 1
    for number, row in enumerate(read(run / "traces", columns=COLUMNS), 1):
        bill.add(row)
        if number % every == 0:
            points.append(now())
        if len(points) > 2 * POINTS:
            points, every = points[::2], 2 * every
    if points[-1] != (last := now()):
        points.append(last)
    priced = points[-1][1] and all(one.usd is not None for one in bill.teachers.values())
    return ("dollars" if priced else "tokens"), [
        (minutes, usd if priced else tokens) for minutes, usd, tokens in points
    ]


def pass_rates(traces: Sequence[Seen]) -> dict[str, list[float]]:
    """By teacher, the share of right traces of each problem of which any was judged."""
    judged: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for trace in traces:
        if trace.outcome in ("right", "wrong"):
            judged[trace.teacher][trace.problem].append(trace.outcome == "right")
    return {name: [sum(each) / len(each) for each in those.values()] for name, those in judged.items()}


def spent(run: Path, teachers: Mapping[str, Teacher]) -> dict[str, Spent]:
    """What each teacher was paid for in all launches."""
    return _spent(prices.known(teachers), run / "traces")


def spent_on_asking(run: Path, rates: Mapping[str, Prices]) -> dict[str, Spent]:
    """The same of the models that verifiers, filters and the source asked, by the names in their rows."""
    return _spent(rates, *sorted((run / "asked").glob("*")))


def _spent(rates: Mapping[str, Prices], *ledgers: Path) -> dict[str, Spent]:
    bill = Bill(rates)
    for ledger in ledgers:
        for row in read(ledger, columns=COLUMNS):
            bill.add(row)
    return bill.teachers


def spending(recipe: Mapping[str, Any], traces: Sequence[Seen]) -> list[dict[str, Any]]:
    """What verdicts that steer have saved, a row per teacher; nothing where every problem gets the same samples.

    `fixed_tokens`: what `sampling.n` samples of each problem that was asked would have taken, at the mean length of the
    problem's own samples.
    """
    schedule = Schedule.model_validate(recipe.get("schedule") or {})
    asked = {name: Teacher.model_validate(teacher) for name, teacher in (recipe.get("teachers") or {}).items()}
    right = Counter(trace.problem for trace in traces if trace.outcome == "right" and trace.whole)
    found = []
    for name, teacher in asked.items():
        if not schedule.steers(teacher.after):
            continue
        lengths: dict[str, list[int]] = defaultdict(list)
        for trace in traces:
            if trace.teacher == name:
                lengths[trace.problem].append(trace.tokens)
        tokens = sum(map(sum, lengths.values()))
        fixed = sum(teacher.sampling.n * sum(those) / len(those) for those in lengths.values())
        solved = sum(right[problem] >= schedule.enough for problem in lengths)
        found.append(
            {
                "teacher": name,
                "problems": len(lengths),
                "solved": solved,
                "unsolved": len(lengths) - solved,
                "samples": sum(map(len, lengths.values())),
                "fixed_samples": teacher.sampling.n * len(lengths),
                "tokens": tokens,
                "fixed_tokens": round(fixed),
                "saved": 1 - tokens / fixed if fixed else 0.0,
            }
        )
    return found


def funnel(run: Path) -> dict[str, Any]:
    """The funnel with its drops, and whether every count follows from the one before."""
    found = json_file(run / "corpus" / "funnel.json")
    if not found:
        return {}
    steps = [row | {"dropped": row["before"] - row["after"]} for row in found["rows"]]
    for row in steps:
        row["reasons"] = dict(sorted(row["reasons"].items(), key=lambda item: -item[1]))
    chain = [found["traces"], *(row["after"] for row in steps)]
    sound = [row["before"] for row in steps] == chain[:-1] and chain[-1] == found["kept"]
    sound = sound and all(sum(row["reasons"].values()) == row["dropped"] for row in steps)
    return {"traces": found["traces"], "kept": found["kept"], "rows": steps, "adds_up": sound}


def accepted(run: Path, problems: Mapping[str, Problem]) -> dict[str, Any] | None:
    """The first row of the corpus, in full."""
    files = sorted((run / "corpus" / "data" / "curated").glob("train-*.parquet"))
    if not files:
        return None
    import pyarrow.parquet as parquet

    for batch in parquet.ParquetFile(files[0]).iter_batches(batch_size=1):
        row = batch.to_pylist()[0]
        *prompt, answer = row.pop("messages")
        problem = problems.get(row.get("problem_id") or "")
        parts = split(answer["content"])
        return (
            row
            | {"prompt": prompt, "answer": problem and problem.answer}
            | _texts(parts.reasoning, parts.response, TEXT)
        )
    return None


def dropped(run: Path, filters: Sequence[str]) -> list[dict[str, Any]]:
    """The first trace that each filter dropped, in the order of the filters."""
    firsts = [row for path in sorted((run / "dropped").glob("*.jsonl")) for row in islice(json_lines(path), 1)]
    order = {name: position for position, name in enumerate(filters)}
    firsts.sort(key=lambda row: order.get(row["filter"], len(order)))
    return [row | _texts(row["reasoning"], row["response"], DROPPED_TEXT) for row in firsts]


def _texts(reasoning: str, response: str, most: int) -> dict[str, Any]:
    """Both texts, each within `most` characters, and how many characters are not shown."""
    cut = max(0, len(reasoning) - most) + max(0, len(response) - most)
    return {"reasoning": reasoning[:most], "response": response[:most], "cut": cut}


def newest_recipe(run: Path) -> str:
    """The newest recipe of the run, without its secrets."""
    kept = recipes(run)
    return safe_recipe(kept[-1].read_text(encoding="utf-8")) if kept else ""


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON lines file; nothing where there is no file, and a torn last line is passed over."""
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.endswith("\n"):
                    yield _parsed(line, f"{path}, line {number}")


def json_file(path: Path) -> Any:
    """A JSON file, or an empty object where there is none."""
    return _parsed(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise UsageError(f"{where} is damaged: not JSON.") from None


def flat(tree: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested JSON as (dotted name, value), secrets withheld."""
    tree = without_secrets(tree)
    if isinstance(tree, dict):
        return [row for key, inner in tree.items() for row in flat(inner, f"{name}.{key}" if name else key)]
    return [(name, tree if isinstance(tree, str) else json.dumps(tree, ensure_ascii=False))]
