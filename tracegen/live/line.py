"""The figures of a stage in one line: now and then where there is no terminal, and once at its end."""

from collections.abc import Mapping
from typing import Any

from tracegen.live.words import dollars, duration, number, percent


def line(figures: Mapping[str, Any]) -> str:
    """How far a stage is: `generate: 412 of 1,200 samples, 3,120 tokens/s, 31 verified/min, 62% right ... left`."""
    if "samples" not in figures:
        return _units(figures)
    samples, tokens = figures["samples"], figures["tokens"]
    parts = [
        progress(samples),
        f"{number(tokens['per_second'])} tokens/s",
        *_verified(figures),
        *_problems(figures["problems"]),
        *_troubles(figures),
        *cost(figures),
        *left(figures),
    ]
    return f"{figures['stage']}: {', '.join(filter(None, parts))}"


def summary(figures: Mapping[str, Any]) -> str:
    """What a stage of sampling ends with."""
    samples, right = figures["samples"], figures["verdicts"].get("right", 0)
    parts = [
        f"{number(samples['answered'])} samples answered in {duration(figures['seconds'])}",
        f"{number(figures['tokens']['completion'])} tokens written ({number(figures['tokens']['per_second_total'])}/s)",
        f"{number(right)} verified" if judged(figures) else "none judged",
        *_problems(figures["problems"]),
        *_troubles(figures),
        *cost(figures)[:1],
        *per_verified(figures),
    ]
    return f"{figures['stage']}: {', '.join(filter(None, parts))}."


def progress(samples: Mapping[str, Any]) -> str:
    most = "at most " if samples["at_most"] else ""
    of = f" of {most}{number(samples['planned'])}" if samples["planned"] else ""
    return f"{number(samples['done'])}{of} samples"


def left(figures: Mapping[str, Any]) -> list[str]:
    """How long it will take, where that can be said."""
    if figures["seconds_left"] is None:
        return []
    about = "at most" if figures["samples"]["at_most"] else "about"
    return [f"{about} {duration(figures['seconds_left'])} left"]


def judged(figures: Mapping[str, Any]) -> int:
    return int(figures["verdicts"].get("right", 0) + figures["verdicts"].get("wrong", 0))


def cost(figures: Mapping[str, Any]) -> list[str]:
    """Dollars of all launches by now, and what it will come to."""
    usd, projected, budget = (figures["cost"][name] for name in ("usd", "projected", "budget"))
    if usd is None:
        return []
    found = [f"{dollars(usd)} by now" + (f" of {dollars(budget)}" if budget else "")]
    if projected and projected["value"] is None:
        found.append(f"at most {dollars(projected['high'])} in all")
    elif projected:
        low, high = dollars(projected["low"]), dollars(projected["high"])
        found.append(f"{low} in all" if low == high else f"{low} to {high} in all")
    return found


def per_verified(figures: Mapping[str, Any]) -> list[str]:
    usd = figures["cost"]["usd_per_verified"]
    return [] if usd is None else [f"{dollars(usd)} per verified trace"]


def _verified(figures: Mapping[str, Any]) -> list[str]:
    if not judged(figures):
        return ["none judged yet"]
    return [f"{number(figures['verified_per_minute'])} verified/min, {percent(figures['right'])} right"]


def _problems(problems: Mapping[str, int]) -> list[str]:
    if not problems["total"]:
        return []
    return [f"{number(problems['solved'])} of {number(problems['total'])} problems solved"]


def _troubles(figures: Mapping[str, Any]) -> list[str]:
    truncated, failed = figures["truncated"], figures["samples"]["failed"]
    return [
        f"{percent(truncated)} truncated" if truncated else "",
        f"{number(failed)} failed" if failed else "",
    ]


def _units(figures: Mapping[str, Any]) -> str:
    """A stage that counts units of work, as training does, or nothing at all."""
    if "done" not in figures:
        return f"{figures['stage']}: for {duration(figures['seconds'])}"
    of = f" of {number(figures['total'])}" if figures["total"] else ""
    parts = [f"{number(figures['done'])}{of} {figures['unit']}", figures["note"]]
    if figures["seconds_left"] is not None:
        parts.append(f"{duration(figures['seconds_left'])} left")
    return f"{figures['stage']}: {', '.join(filter(None, parts))}"
