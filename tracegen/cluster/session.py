"""The connection to a Ray cluster: made for the first who needs it in this process, ended with the last.

`auto` joins the cluster that RAY_ADDRESS names, or one that `ray start` has started on this machine, or else starts
one of this machine alone, which ends with the connection. Where the program is connected already, that is used.
What Ray itself has to say is shown where TRACEGEN_RAY_LOG is set.
Limits: one cluster in a process; no Ray Client (`ray://`), because Ray Data's pipelines must live beside the program.
"""

import logging
import os
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tracegen.records import MissingExtra, TracegenError, UsageError

__all__ = ["check_address", "cluster_resources", "connected", "hush", "unanswered"]

RESET = (
    "ray._private.worker",
    "ray.data._internal",
    "ray.data.context",
    "ray.data.dataset",
    "ray.data.exceptions",
    "ray.llm",
)
"""Loggers below those that Ray resets with every data set, and one whose children set themselves up if it has not."""

ANSWER = 10.0
"""Seconds that the head of a cluster may take to accept a connection."""

_lock = threading.Lock()
_users = 0
_ours = False


@contextmanager
def connected(address: str = "auto") -> Iterator[None]:
    """Connected to the cluster at `address` (`auto`, `local` or host:port) until the last who is connected leaves."""
    global _users, _ours
    check_address(address)
    import ray

    with _lock:
        if _users == 0:
            _ours = not ray.is_initialized()
        if not ray.is_initialized():
            _connect(address)
        elif ":" in address and (here := ray.get_runtime_context().gcs_address) != address:
            raise UsageError(f"this run is connected to the Ray cluster at {here}, and cannot use {address} as well.")
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0 and _ours:
                ray.shutdown()


def check_address(address: str) -> None:
    """What can be refused without a cluster."""
    if find_spec("ray") is None or find_spec("ray.data") is None:
        raise MissingExtra("Ray", "ray")
    if address not in ("auto", "local") and (":" not in address or "://" in address):
        raise UsageError(
            f"a Ray cluster's address is auto, local or the head's host:port such as 10.0.0.1:6379, not {address!r}; "
            "Ray Client (ray://) is not supported, so start tracegen on a node of the cluster."
        )


def cluster_resources() -> str:
    """What the nodes that are alive have together, for a sentence: "2 nodes with 8 GPU, 128 CPU"."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    totals = {name: sum(node["Resources"].get(name, 0) for node in alive) for name in ("GPU", "CPU")}
    return f"{len(alive)} nodes with " + ", ".join(f"{total:g} {name}" for name, total in totals.items())


def unanswered(error: BaseException) -> TracegenError:
    """For a cluster that was joined and is gone."""
    return TracegenError(f"the Ray cluster no longer answers ({type(error).__name__}); see `ray status`.")


def _connect(address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

    hush()
    try:
        with _own_signals():
            _join(address, {"log_to_driver": _talkative(), "logging_level": logging.getLogger("ray").level})
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = os.environ.get("RAY_ADDRESS", "this machine") if address == "auto" else address
        said = " ".join(str(error).split())[:200]
        raise TracegenError(
            f"no Ray cluster could be joined at {where}: {said}; start one with `ray start --head`, or look at "
            "`ray status`."
        ) from None


def hush() -> None:
    """Ray writes plans, progress and every lost block to the terminal, where the program has a view of its own.

    To be called again after an import from Ray, which brings loggers of its own and resets the level of their parents.
    """
    from ray.util.annotations import RayDeprecationWarning

    # What replaces them is not in all versions that are allowed.
    warnings.filterwarnings("ignore", category=RayDeprecationWarning)
    level = logging.INFO if _talkative() else logging.CRITICAL
    known = [name for name in logging.root.manager.loggerDict if name.startswith("ray.")]
    for name in {"ray", *known, *RESET}:
        logging.getLogger(name).setLevel(level)
    if not _talkative() and not logging.getLogger("ray.llm").handlers:
        logging.getLogger("ray.llm").addHandler(logging.NullHandler())


def _talkative() -> bool:
    return "TRACEGEN_RAY_LOG" in os.environ


def _join(address: str, quiet: dict[str, Any]) -> None:
    import ray

    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or _started_here()
        check_address(address)
    if address == "local":
        ray.init(address="local", include_dashboard=False, **quiet)
        return
    # Ray ends the whole program where nobody answers.
    if not _answers(address):
        raise ConnectionError(f"nobody answers at {address}")
    ray.init(address=address, **quiet)


def _started_here() -> str:
    """The cluster that `ray start` noted down on this machine, if it still runs."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    try:
        noted = (Path(folder) / "ray" / "ray_current_cluster").read_text().strip()
    except OSError:
        return "local"
    return noted if ":" in noted and _answers(noted) else "local"


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER):
            return True
    except (OSError, ValueError):
        return False


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself, and writes a stack trace at it; the program has handlers of its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
