"""A watch that was told of things that we counted by hand."""

from tracegen import telemetry
from tracegen.cost import Meter
from tracegen.live import Watch
from tracegen.recipe import Budget, Prices
from tracegen.records import Request, Trace, Verdict

FAILED = "the server answered 500: no room on node 123456 for hf_abcdefghijklmnopqrstuvwxyz"


def request(number: int, teacher: str = "smol") -> Request:
    return Request(f"k{number}", "p", teacher, number, (), {"max_tokens": 100})


def row(number: int, teacher: str = "smol", *, tokens: int = 50, error: str | None = None, **more):
    return {
        "key": f"k{number}",
        "teacher": teacher,
        "problem_id": f"p{number}",
        "model": "m",
        "engine": "openai",
        "prompt_tokens": 10,
        "completion_tokens": tokens,
        "error": error,
        "seconds": 1.0,
        "time": 1e9,
        **more,
    }


def trace(number: int, teacher: str = "smol", status: str = "complete") -> Trace:
    return Trace(f"k{number}", "p", teacher, number, (), "", "", status, "stop", 50)


def watch(*, at_most: bool = False, budget: float | None = None) -> Watch:
    """10 requests of smol: 8 back, 2 of them failed, 1 was cut off; 3 right, 1 wrong, 1 unverifiable. 2 of r1."""
    meter = Meter(Budget(usd=budget), {"smol": Prices(input=100.0, output=1000.0)})
    meter.add(row(99, tokens=900))  # of an earlier launch: 0.901 dollars
    told = Watch("generate", problems=20, meter=meter)
    told.planned("smol", 45, engine="openai", at_most=at_most)
    told.there("smol", 5)
    told.planned("r1", 15, engine="vllm")
    for number in range(10):
        told.asked(request(number))
    told.asked(request(20, "r1"))
    told.asked(request(21, "r1"))
    for number in range(8):
        answer = row(number, error=FAILED if number < 2 else None, tokens=0 if number < 2 else 50)
        meter.add(answer)
        seen = None if number < 2 else trace(number, status="truncated" if number == 2 else "complete")
        told.answered(answer, seen)
    for number, outcome in enumerate(["right", "right", "right", "wrong", "unverifiable"], 3):
        told.judged(trace(number), Verdict(outcome))
    told.solved(2, given_up=1)
    telemetry.gauge("smol@http://one", in_flight=2, slots=6, waiting=1)
    telemetry.gauge("smol@http://two", in_flight=1, slots=2)
    telemetry.count("smol", "retries", 4)
    return told
