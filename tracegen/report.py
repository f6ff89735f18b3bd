"""The report of a run: one HTML page made from the files of the run directory and nothing else.

Shape: `report(run) -> run/report.html`. The page loads nothing, runs nothing, and escapes every word of a model. What a
stage has not made yet is left out, with a line that names the stage.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

from tracegen import curated, evidence, plots
from tracegen.evidence import Seen
from tracegen.live.words import dollars
from tracegen.opinions import asked, opinions
from tracegen.records import Problem, Score
from tracegen.rundir import write_atomically
from tracegen.scores import ordered, shown
from tracegen.stats import mean

DROPPED_SHOWN = 6
OUTCOMES = ("right", "wrong", "unverifiable", "error", "not judged")
RATES = ("0", "1–20", "21–40", "41–60", "61–80", "81–99", "100")
UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Controls, zero width, bidi, tags: a text in which one stands would not look as it is."""
_Group = Mapping[str, Sequence[tuple[str, float, float, float, str]]]


def report(run: Path) -> Path:
    """Write `report.html` into the run directory and return its path."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tracegen"),
        autoescape=True,
        finalize=_seen,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda count: f"{count:,}",
        "percent": lambda share: f"{100 * share:.1f} %",
        "dollars": dollars,
        "shown": shown,
        "breakable": _breakable,
    }
    recipe_text = evidence.newest_recipe(run)
    recipe = yaml.safe_load(recipe_text) or {}
    problems = {row["id"]: Problem(**row) for row in evidence.json_lines(run / "problems.jsonl")}
    traces = list(evidence.traces(run, problems))
    funnel = evidence.funnel(run)
    environ = evidence.json_file(run / "environment.json")
    steps = [row for row in evidence.json_lines(run / "student" / "log.jsonl") if isfinite(row.get("loss", nan))]
    looks = list(evidence.json_lines(run / "student" / "held_out.jsonl"))
    witnesses, disagreements = opinions(run, problems)
    scores = ordered(Score(**row) for row in evidence.json_lines(run / "scores.jsonl"))
    page = environment.get_template("report.html.jinja").render(
        name=recipe.get("name") or run.resolve().name,
        run=run,
        recipe=recipe_text,
        environment=evidence.flat(environ),
        unchecked=environ.get("unchecked") or {},
        problems=problems,
        traces=traces,
        teachers=list(evidence.teachers(run, recipe.get("teachers") or {}, traces)),
        spending=evidence.spending(recipe, traces),
        outcomes={name: [trace for trace in traces if trace.outcome == name] for name in OUTCOMES},
        statuses=Counter(trace.status for trace in traces),
        reasons=lambda seen: Counter(trace.reason for trace in seen if trace.reason).most_common(3),
        witnesses=witnesses,
        disagreements=disagreements,
        asked=list(asked(run)),
        funnel=funnel,
        contamination=curated.contamination(run),
        accepted=evidence.accepted(run, problems),
        dropped=evidence.dropped(run, [row["filter"] for row in funnel.get("rows", ())])[:DROPPED_SHOWN],
        steps=steps,
        looks=looks,
        rows=evidence.flat(evidence.json_file(run / "student" / "rows.json")),
        scores=scores,
        headline=_headline(scores),
        plots=_plots(traces, funnel, steps, scores)
        | {"clusters": _clusters(curated.clusters(run))}
        | _watched(looks)
        | _of_teachers(traces, *evidence.paid(run, recipe.get("teachers") or {})),
    )
    # A model may write half a surrogate pair, which UTF-8 cannot hold.
    write_atomically(run / "report.html", page.encode("utf-8", "replace").decode("utf-8"))
    return run / "report.html"


def _seen(value: Any) -> Any:
    """What a template shows; a character that is not seen, or turns others round, as its number."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return UNSEEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", value)


def _plots(
    traces: Sequence[Seen], funnel: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], scores: Sequence[Score]
) -> dict[str, Any]:
    lengths: dict[str, list[float]] = {"right": [], "wrong": [], "not judged": []}
    judged: dict[str, list[bool]] = defaultdict(list)
    for trace in traces:
        outcome = trace.outcome if trace.outcome in lengths else "not judged"
        lengths[outcome].append(trace.tokens)
        if outcome != "not judged":
            judged[trace.problem].append(outcome == "right")
    lengths = {name: values for name, values in lengths.items() if values}
    shares = Counter(_rate_bin(sum(right), len(right)) for right in judged.values())
    drawn: dict[str, Any] = {"lengths": None, "rates": None, "loss": None, "funnel": None, "scores": {}}
    if funnel:
        drawn["funnel"] = plots.funnel(
            [
                (row["filter"], row["before"], row["after"], ", ".join(f"{r} {n:,}" for r, n in row["reasons"].items()))
                for row in funnel["rows"]
            ]
        )
    if lengths:
        title = "Traces by length in tokens and by verdict"
        drawn["lengths"] = plots.histogram(lengths, title, "tokens of a trace", "traces")
    if judged:
        counts = {"problems": [shares[name] for name in RATES]}
        drawn["rates"] = plots.columns(
            counts, RATES, "Problems by the share of right traces", "right traces of a problem, %", "problems"
        )
    if len(steps) > 1:
        points = [(row["step"], row["loss"]) for row in steps]
        drawn["loss"] = plots.curve(points, "Training loss over optimizer steps", "step", "loss")
    several = len({score.model for score in scores if score.role == "teacher"}) > 1
    for benchmark in dict.fromkeys(score.benchmark for score in scores):
        of = [score for score in scores if score.benchmark == benchmark]
        both = {"Scores": _shares(of, several), "Change by training": _changes(of)}
        drawn["scores"][benchmark] = {
            title: plots.whiskers(groups, f"{title} on {benchmark}, with 95 % intervals", signed=title != "Scores")
            for title, groups in both.items()
            if groups
        }
    return drawn


def _clusters(sizes: Mapping[str, int]) -> Markup | None:
    """How large the clusters of twins are of which one trace was kept."""
    title = "Clusters of equal or nearly equal traces by size, the kept trace included"
    return (
        plots.columns({"clusters": list(sizes.values())}, list(sizes), title, "traces", "clusters") if sizes else None
    )


def _watched(looks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What problems kept out of the training have shown of it: the loss on them, and how many were solved."""
    drawn: dict[str, Any] = {"held_out": None, "solved": None}
    solved = [(look["step"], 100 * look["solved"] / look["asked"]) for look in looks if look.get("asked")]
    losses = [(look["step"], look["loss"]) for look in looks]
    if len(losses) > 1:
        drawn["held_out"] = plots.curve(losses, "Loss on held-out problems over optimizer steps", "step", "loss")
    if len(solved) > 1:
        title = "Held-out problems solved over optimizer steps, in per cent"
        drawn["solved"] = plots.curve(solved, title, "step", "% solved")
    return drawn


def _of_teachers(traces: Sequence[Seen], unit: str, paid: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """What was paid over time, and, of several teachers, how often each was right."""
    title = f"{unit.capitalize()} paid for over minutes of work"
    drawn: dict[str, Any] = {"unit": unit, "paid": None, "by_teacher": None}
    if len(paid) > 2 and paid[-1][0] > 0:
        drawn["paid"] = plots.curve(paid, title, "minutes of work", unit)
    rates = evidence.pass_rates(traces)
    if len(rates) > 1:
        rows = [(name[:11], *mean(values), "accent") for name, values in rates.items()]
        drawn["by_teacher"] = plots.whiskers({"": rows}, "Pass rate by teacher, with 95 % intervals")
    return drawn


def _shares(scores: Sequence[Score], several: bool) -> _Group:
    """The figures of each role, by metric."""
    groups: dict[str, list[tuple[str, float, float, float, str]]] = defaultdict(list)
    for score in scores:
        if score.role != "comparison":
            label = score.model.rsplit("/")[-1][:11] if several and score.role == "teacher" else score.role
            shade = {"teacher": "second", "before": "third"}.get(score.role, "accent")
            groups[score.metric].append((label, score.value, score.low, score.high, shade))
    return groups


def _changes(scores: Sequence[Score]) -> _Group:
    """The paired differences, each a group of its own; retention is a ratio and stands in the table."""
    return {
        score.metric: [("", score.value, score.low, score.high, "accent")]
        for score in scores
        if score.metric.endswith("after-before")
    }


def _rate_bin(right: int, judged: int) -> str:
    """Where right of judged falls among RATES; what is neither none nor all falls into a fifth."""
    return RATES[-1] if right == judged else RATES[-(-5 * right // judged)]


def _headline(scores: Sequence[Score]) -> dict[str, Score | None]:
    """The figures of the first benchmark by which the run is judged; the first teacher's, where there are several."""
    wanted = {
        "before": ("before", "pass@1"),
        "after": ("after", "pass@1"),
        "change": ("comparison", "after-before"),
        "retention": ("comparison", "retention"),
    }
    first = [score for score in scores if score.benchmark == scores[0].benchmark]
    return {
        name: next((score for score in first if (score.role, score.metric) == figure), None)
        for name, figure in wanted.items()
    }


def _breakable(word: str) -> Markup:
    """A name that a narrow column may break behind a dot."""
    return Markup(str(escape(word)).replace(".", ".<wbr>"))
