"""Told of every request, answer and verdict while teachers are sampled; knows what goes on.

    with Watch("generate", problems=200, meter=meter) as watch:
        watch.planned("smol", 800, engine="vllm")               samples of the whole plan; again where it changes
        watch.there("smol", 100)                                so many of them are answered already
        watch.asked(request)                                    an engine draws it
        watch.answered(row, trace)                              it is durable; without a trace where it failed
        watch.judged(trace, verdict)                            the verdict that decides
        watch.solved(120, given_up=3)                           problems, as often as it is known

Each call costs some microseconds and may come from any thread. Inside the `with`, whoever looks is served by a thread
of its own; outside, a watch only counts.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from tracegen import telemetry
from tracegen.cost import Meter
from tracegen.live.projected import projected
from tracegen.live.shown import Shown
from tracegen.live.tally import Figures, Tally
from tracegen.records import Request, Trace, Verdict


class Watch:
    """One stage of sampling; what it costs is read off the `meter`."""

    def __init__(self, stage: str, *, problems: int = 0, meter: Meter | None = None) -> None:
        self.stage = stage
        self._problems, self._solved, self._given_up = problems, 0, 0
        self._meter = meter
        self._earlier = self._bill()
        self._start = time.monotonic()
        self._teachers: dict[str, Tally] = {}
        self._lock = threading.Lock()
        self._shown: Shown | None = None

    def planned(self, teacher: str, samples: int, *, engine: str = "", at_most: bool = False) -> None:
        """The plan has so many samples of this teacher, those included that need no asking; again where it changes."""
        with self._lock:
            tally = self._of(teacher)
            tally.planned, tally.at_most = samples, at_most
            tally.engine = engine or tally.engine

    def there(self, teacher: str, samples: int = 1) -> None:
        """So many samples of the plan need no asking: their answers are there already."""
        with self._lock:
            self._of(teacher).there += samples

    def asked(self, request: Request) -> None:
        """An engine has drawn this request."""
        with self._lock:
            self._of(request.teacher).asked += 1

    def answered(self, row: Mapping[str, Any], trace: Trace | None) -> None:
        """An answer is durable; `trace` is None where it is a failure."""
        now = time.monotonic()
        with self._lock:
            self._of(row["teacher"]).answer(row, trace, now)

    def judged(self, trace: Trace, verdict: Verdict) -> None:
        """The verdict that decides on a trace."""
        now = time.monotonic()
        with self._lock:
            self._of(trace.teacher).verdict(verdict.outcome, now)

    def solved(self, problems: int, *, given_up: int = 0) -> None:
        """So many problems have the right traces that they need by now, and on so many no more is spent."""
        self._solved, self._given_up = problems, given_up

    def figures(self) -> Figures:
        """All that is known, as a mapping that is safe to keep and to write down."""
        now = time.monotonic()
        seconds = now - self._start
        said = telemetry.snapshot()
        bill = self._bill()
        usd, earlier = _sum(bill), _sum(self._earlier)
        total, solved, given_up = self._problems, self._solved, self._given_up
        open_ = max(0, total - solved - given_up)
        unsolved = open_ / total if total else 1.0
        with self._lock:
            whole = Tally()
            for tally in self._teachers.values():
                whole.include(tally, now)
            everything = whole.figures(now, seconds, unsolved)
            teachers = {name: tally.figures(now, seconds, unsolved) for name, tally in self._teachers.items()}
            ahead = [each for tally in self._teachers.values() if (each := tally.ahead(now, unsolved)) is not None]
            in_all = projected(usd, ahead) if usd is not None and ahead else None
        for name, figures in teachers.items():
            figures["slots"] = _slots(name, said, figures["samples"])
            figures["cost"] = _cost(bill.get(name), self._earlier.get(name), figures)
        everything["slots"] = _all_slots([figures["slots"] for figures in teachers.values()])
        cap = self._meter.budget.usd if self._meter else None
        cost = _cost(usd, earlier, everything) | {"projected": in_all, "budget": cap}
        return {
            "stage": self.stage,
            "seconds": round(seconds, 1),
            "problems": {"total": total, "solved": solved, "given_up": given_up, "open": open_},
            **everything,
            "cost": cost,
            "teachers": teachers,
        }

    def __enter__(self) -> Self:
        self._shown = Shown(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.close()

    def _of(self, teacher: str) -> Tally:
        if teacher not in self._teachers:
            self._teachers[teacher] = Tally(self._meter.prices.get(teacher) if self._meter else None)
        return self._teachers[teacher]

    def _bill(self) -> dict[str, float]:
        """Dollars by teacher, of all launches; without those that have no price."""
        paid = dict(self._meter.teachers) if self._meter else {}
        return {name: spent.usd for name, spent in paid.items() if spent.usd is not None}


def _sum(bill: Mapping[str, float]) -> float | None:
    return sum(bill.values()) if bill else None


def _cost(usd: float | None, earlier: float | None, figures: Figures) -> Figures:
    """Dollars of all launches together, and what a verified trace of this one cost."""
    right = figures["verdicts"].get("right", 0)
    launch = None if usd is None else usd - (earlier or 0.0)
    return {
        "usd": None if usd is None else round(usd, 6),
        "usd_per_verified": round(launch / right, 6) if launch is not None and right else None,
    }


def _slots(teacher: str, said: Mapping[str, Mapping[str, float]], samples: Mapping[str, int]) -> Figures:
    """What the teacher's engine says of itself; what its servers say each for themselves is put together."""
    own = said.get(teacher, {})
    servers = [values for who, values in said.items() if who.startswith(f"{teacher}@")]
    # An engine that says nothing has in flight what it has drawn and not given back.
    found: Figures = {"in_flight": max(0, samples["asked"] - samples["answered"]), "slots": None}
    for name in (*ADDED, "kv_cache"):
        each = [values[name] for values in servers if name in values]
        if not each and name in own:
            each = [own[name]]
        if each:
            found[name] = max(each) if name == "kv_cache" else int(sum(each))
    # What adds up may be said of a server or of the whole, but not of both.
    return found | {name: int(sum(values.get(name, 0) for values in (own, *servers))) for name in COUNTED}


def _all_slots(slots: list[Figures]) -> Figures:
    """Of all teachers together; None where one does not say how many slots it has."""
    whole: Figures = {name: sum(of.get(name) or 0 for of in slots) for name in (*ADDED, *COUNTED) if _any(slots, name)}
    known = bool(slots) and all(of["slots"] is not None for of in slots)
    return {"in_flight": 0} | whole | {"slots": whole["slots"] if known else None}


ADDED = ("in_flight", "slots", "waiting", "replicas")
COUNTED = ("retries", "throttled", "restarts")


def _any(values: Sequence[Mapping[str, object]], name: str) -> bool:
    return any(name in value for value in values)
