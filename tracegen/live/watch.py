"""Told of every request, answer and verdict while teachers are sampled; knows what goes on.

    with Watch("generate", problems=200, meter=meter) as watch:
        watch.planned("smol", 800, there=100, engine="vllm")    what is still to be asked; again where that changes
        watch.asked(request)                                    an engine draws it
        watch.answered(row, trace)                              it is durable; without a trace where it failed
        watch.judged(trace, verdict)                            the verdict that decides
        watch.solved(120, given_up=3)                           problems, as often as it is known

Each call costs some microseconds and may come from any thread. Inside the `with`, whoever looks is served by a thread
of its own; outside, a watch only counts.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from tracegen import telemetry
from tracegen.cost import Meter
from tracegen.live.tally import Figures, Tally
from tracegen.records import Request, Trace, Verdict


class Watch:
    """One stage of sampling. `project` is asked now and then what the whole will cost: `{"low", "value", "high"}`."""

    def __init__(
        self,
        stage: str,
        *,
        problems: int = 0,
        meter: Meter | None = None,
        project: Callable[[], Mapping[str, float] | None] | None = None,
    ) -> None:
        self.stage = stage
        self._problems, self._solved, self._given_up = problems, 0, 0
        self._meter, self._project = meter, project
        self._start = time.monotonic()
        self._teachers: dict[str, Tally] = defaultdict(Tally)
        self._lock = threading.Lock()

    def planned(self, teacher: str, samples: int, *, there: int = 0, engine: str = "") -> None:
        """So many samples are meant to be asked of this teacher in this launch, beside those that are `there` already.

        Called again where the plan changes: the numbers stand for themselves, they do not add up.
        """
        with self._lock:
            tally = self._teachers[teacher]
            tally.planned, tally.there = samples, there
            tally.engine = engine or tally.engine

    def asked(self, request: Request) -> None:
        """An engine has drawn this request."""
        with self._lock:
            self._teachers[request.teacher].asked += 1

    def answered(self, row: Mapping[str, Any], trace: Trace | None) -> None:
        """An answer is durable; `trace` is None where it is a failure."""
        now = time.monotonic()
        with self._lock:
            self._teachers[row["teacher"]].answer(row, trace, now)

    def judged(self, trace: Trace, verdict: Verdict) -> None:
        """The verdict that decides on a trace."""
        now = time.monotonic()
        with self._lock:
            self._teachers[trace.teacher].verdict(verdict.outcome, now)

    def solved(self, problems: int, *, given_up: int = 0) -> None:
        """So many problems have the right traces that they need by now, and on so many no more is spent."""
        self._solved, self._given_up = problems, given_up

    def figures(self) -> Figures:
        """All that is known, as a mapping that is safe to keep and to write down."""
        now = time.monotonic()
        seconds = now - self._start
        said = telemetry.snapshot()
        with self._lock:
            whole = Tally()
            for tally in self._teachers.values():
                whole.include(tally, now)
            everything = whole.figures(now, seconds)
            teachers = {name: tally.figures(now, seconds) for name, tally in self._teachers.items()}
        for name, figures in teachers.items():
            figures["slots"] = _slots(name, said, figures["samples"])
        everything["slots"] = _slots(None, said, everything["samples"])
        left = self._problems - self._solved - self._given_up
        return {
            "stage": self.stage,
            "seconds": round(seconds, 1),
            "problems": {
                "total": self._problems,
                "solved": self._solved,
                "given_up": self._given_up,
                "open": max(0, left),
            },
            **everything,
            "cost": self._cost(everything["verdicts"].get("right", 0)),
            "teachers": teachers,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def _cost(self, right: int) -> Figures:
        """Dollars of all launches together; None where nothing has a price."""
        if self._meter is None:
            return {"usd": None, "projected": None}
        priced = bool(self._meter.prices)
        return {
            "usd": round(self._meter.usd, 6) if priced else None,
            "projected": self._project() if priced and self._project else None,
        }


def _slots(teacher: str | None, said: Mapping[str, Mapping[str, float]], samples: Mapping[str, int]) -> Figures:
    """What the engines say of themselves: of one teacher (its servers together) or of all."""
    servers = [who for who in said if "@" in who and teacher in (None, who.partition("@")[0])]
    with_servers = {who.partition("@")[0] for who in servers}
    alone = [who for who in said if "@" not in who and who not in with_servers and teacher in (None, who)]
    values = [said[who] for who in (*servers, *alone)]
    found: Figures = {name: sum(int(v[name]) for v in values if name in v) for name in ADDED if _any(values, name)}
    if _any(values, "kv_cache"):
        found["kv_cache"] = max(v["kv_cache"] for v in values if "kv_cache" in v)
    # An engine that says nothing of itself has in flight what it has drawn and not given back.
    return {"in_flight": max(0, samples["asked"] - samples["answered"]), "slots": None} | found


ADDED = ("in_flight", "slots", "waiting", "replicas", "retries", "throttled", "restarts")


def _any(values: list[Mapping[str, float]], name: str) -> bool:
    return any(name in value for value in values)
