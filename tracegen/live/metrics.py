"""The figures of a run for Prometheus: its text format, version 0.0.4, at http://HOST:PORT/metrics.

Written by hand because the format is one line a value: no library is needed to serve it. By default only this machine
is answered; `0.0.0.0:9100` answers others too, and nobody is asked who they are.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tracegen.records import UsageError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HELP = {
    "tracegen_up": "1 while the run goes on, by the stage that it is in.",
    "tracegen_problems": "Problems by state: solved, open, given_up.",
    "tracegen_samples_planned": "Samples of the whole plan, where it is known.",
    "tracegen_samples_done": "Samples of the plan that are answered, by this launch or an earlier one.",
    "tracegen_samples_asked_total": "Requests that an engine has drawn in this launch.",
    "tracegen_samples_answered_total": "Requests that came back in this launch, failures included.",
    "tracegen_samples_failed_total": "Requests that came back without an answer.",
    "tracegen_samples_continued_total": "Answers that went on from where an earlier one was cut off.",
    "tracegen_samples_forced_total": "Answers whose thinking was closed by force.",
    "tracegen_tokens_total": "Tokens of this launch by kind: prompt, completion.",
    "tracegen_traces_total": "Traces of this launch by status.",
    "tracegen_verdicts_total": "Deciding verdicts of this launch by outcome.",
    "tracegen_errors_total": "Failed requests by kind.",
    "tracegen_in_flight": "Requests in flight.",
    "tracegen_slots": "Requests that may be in flight at present.",
    "tracegen_waiting": "Requests in the server's own queue.",
    "tracegen_kv_cache": "Use of the server's KV cache, 0 to 1.",
    "tracegen_replicas": "Servers at work.",
    "tracegen_retries_total": "Requests that were sent again.",
    "tracegen_throttled_total": "Answers of 429 or 503.",
    "tracegen_restarts_total": "Engines or servers that were started again.",
    "tracegen_cost_usd": "Dollars of all launches.",
    "tracegen_cost_projected_usd": "Dollars that the whole will come to, by bound: low, value, high.",
    "tracegen_seconds_left": "Seconds until all planned samples are answered, at the present pace.",
    "tracegen_units_done": "Work done in a stage that counts units: training, an audit.",
    "tracegen_units_planned": "Work to be done in such a stage.",
}
SAMPLES = ("asked", "answered", "failed", "continued", "forced")
GAUGES = ("in_flight", "slots", "waiting", "kv_cache", "replicas")
COUNTERS = ("retries", "throttled", "restarts")
Sample = tuple[str, dict[str, str], float | None]


def exposition(document: Mapping[str, Any]) -> str:
    """The page, from the document that `status.json` holds too."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, labels, value in _samples(document):
        if value is not None:
            found[name].append(f"{name}{_labels(labels)} {value:.10g}")
    lines = []
    for name, values in found.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} {kind}", *values]
    return "\n".join(lines) + "\n"


def _samples(document: Mapping[str, Any]) -> Iterator[Sample]:
    yield "tracegen_up", {"stage": document["stage"] or ""}, float(document["state"] == "running")
    for stage, figures in document["stages"].items():
        of = {"stage": stage}
        yield "tracegen_seconds_left", of, figures.get("seconds_left")
        yield "tracegen_units_done", of, figures.get("done")
        yield "tracegen_units_planned", of, figures.get("total")
        for state in ("solved", "open", "given_up"):
            yield "tracegen_problems", of | {"state": state}, figures.get("problems", {}).get(state)
        cost = figures.get("cost", {})
        for bound, usd in (cost.get("projected") or {}).items():
            yield "tracegen_cost_projected_usd", of | {"bound": bound}, usd
        for teacher, each in figures.get("teachers", {}).items():
            yield from _teacher(of | {"teacher": teacher}, each)


def _teacher(of: dict[str, str], figures: Mapping[str, Any]) -> Iterator[Sample]:
    samples, tokens, slots = figures["samples"], figures["tokens"], figures["slots"]
    yield "tracegen_samples_planned", of, samples["planned"]
    yield "tracegen_samples_done", of, samples["done"]
    for name in SAMPLES:
        yield f"tracegen_samples_{name}_total", of, samples[name]
    for kind in ("prompt", "completion"):
        yield "tracegen_tokens_total", of | {"kind": kind}, tokens[kind]
    for name, label in (("traces", "status"), ("verdicts", "outcome"), ("errors", "kind")):
        for value, count in figures[name].items():
            yield f"tracegen_{name}_total", of | {label: value}, count
    for name in GAUGES:
        yield f"tracegen_{name}", of, slots.get(name)
    for name in COUNTERS:
        yield f"tracegen_{name}_total", of, slots.get(name)
    yield "tracegen_cost_usd", of, figures["cost"]["usd"]


def _labels(labels: Mapping[str, str]) -> str:
    escaped = (
        (name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in labels.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}" if labels else ""


def serve(address: str, page: Callable[[], str], stack: ExitStack) -> str:
    """Answer at PORT or HOST:PORT until the stack is left; returns the URL."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path.partition("?")[0] in ("/", "/metrics")
            body = page().encode() if there else b"the metrics are at /metrics\n"
            self.send_response(200 if there else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    try:
        if not port.isdigit():
            raise ValueError("not a port")
        server = ThreadingHTTPServer((host, int(port)), Handler)
    except (OSError, OverflowError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"the metrics cannot be served at {address!r} ({why}); say PORT or HOST:PORT, with a port that is free."
        ) from None
    threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"http://{host}:{server.server_port}/metrics"
