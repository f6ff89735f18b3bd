"""The far side of the judge: one verifier on one response in a process that may be killed, and always a Verdict.

`start` runs once in every worker process before any deadline; `judge` runs once for each verdict. A verifier that asks
a model is the exception: it waits for answers and computes nothing, so the parent calls `hear` in a thread.
Verifiers travel as names and are bound here. A module may hold seven things beside its function: `VERSION`,
`PACKAGES` (distributions whose versions shape its verdicts), `warm()` (its heavy imports),
`deadline(problem, **options)` (seconds that it may take by its own limits, where the judge's are too short),
`inputs(**options)` (what else shapes its verdicts, such as the text of a prompt; JSON-able),
`gold_is_answer(problem, **options)` (False where the problem is judged by something else than an answer that equals its
gold: a scorer, a pattern, a vote; such a gold need not pass as an answer, and may be missing), and `ready(**options)`
(raises a UsageError, before anything is sampled, where the verifier cannot work on this machine).
"""

import hashlib
import inspect
import pickle
import resource
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from math import ceil
from pathlib import Path
from typing import Any

from tracegen.records import Problem, TracegenError, UsageError, Verdict
from tracegen.registry import bind, options

LONGEST_ANSWER = 2_000
"""Characters of an answer that a verdict keeps; verdicts are stored, one a line."""

_options: dict[str, Mapping[str, Any]] = {}
_bound: dict[str, Callable[..., Any]] = {}
_conventional: dict[tuple[str, str], Callable[..., Any]] = {}


def start(recipe: Mapping[str, Mapping[str, Any]], names: Iterable[str], memory: float | None) -> None:
    """Prepares a worker process: the recipe's options by verifier, a cap on memory (GiB), warm verifiers (`names`)."""
    # A hostile tower of powers must meet a MemoryError here, not the machine's OOM killer elsewhere.
    if memory is not None:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (int(memory * 2**30), resource.getrlimit(resource.RLIMIT_DATA)[1]))
    _options.update(recipe)
    for name in names:
        with suppress(TracegenError, ImportError):
            if warm := about(_find(name), "warm"):
                warm()


def unpickled(arguments: bytes) -> Verdict | UsageError:
    """`judge`, with its arguments as the parent pickled them."""
    return judge(*pickle.loads(arguments))


def judge(
    name: str, problem: Problem, response: str, given: Mapping[str, Any], backstop: float
) -> Verdict | UsageError:
    """One verdict in a worker process; `backstop` is the second at which it ends by itself."""
    # The parent owns the deadline. This alarm ends a worker whose parent was killed, even inside one long C call.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(ceil(backstop))
    try:
        found = hear(lambda: conventional(name, _find(name), problem.conventions), problem, response, given)
    finally:
        signal.alarm(0)
    return UsageError(str(found)) if isinstance(found, TracegenError) else found


def hear(
    bound: Callable[[], Callable[..., Verdict]], problem: Problem, response: str, given: Mapping[str, Any]
) -> Verdict | TracegenError:
    """One verdict. An exception of the verifier is an `error` verdict; a mistake of the user comes back as a value."""
    started = time.perf_counter()
    try:
        verdict = bound()(problem, response, **given)
        if not isinstance(verdict, Verdict):
            raise TypeError(f"the verifier returned {type(verdict).__name__}, not a Verdict")
    except TracegenError as error:
        return error
    except MemoryError:
        verdict = Verdict("error", None, "memory")
    except Exception as error:  # noqa: BLE001
        verdict = Verdict("error", None, f"{type(error).__name__}: {error}"[:200])
    answer = verdict.answer if verdict.answer is None else str(verdict.answer)[:LONGEST_ANSWER]
    return replace(verdict, answer=answer, seconds=time.perf_counter() - started)


def conventional(name: str, function: Callable[..., Any], conventions: Mapping[str, Any]) -> Callable[..., Any]:
    """The verifier with a problem's own conventions, those that it has, over the recipe's options."""
    if not (own := conventions_of(function, conventions)):
        return function
    given = {**getattr(function, "keywords", {}), **own}
    # Binding looks through the shelf and the installed packages: once for each convention, not once for each verdict.
    if (key := (name, repr(given))) not in _conventional:
        _conventional[key] = bind("verifier", name, given)
    return _conventional[key]


def conventions_of(function: Callable[..., Any], conventions: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a problem's conventions that this verifier has an option for."""
    return {name: conventions[name] for name in conventions if name in options(function)} if conventions else {}


def about(function: Callable[..., Any], name: str) -> Any:
    """What the verifier's module says under `name`; None if it says nothing."""
    function = inspect.unwrap(getattr(function, "func", function))
    return getattr(function, "__globals__", {}).get(name)


def version(function: Callable[..., Any]) -> str:
    """The module's VERSION; without one, a hash of its file, so that an edit shows."""
    if (declared := about(function, "VERSION")) is not None:
        return str(declared)
    file = about(function, "__file__")
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12] if file else ""


def packages(function: Callable[..., Any]) -> dict[str, str]:
    """Installed versions of the distributions that the module names in PACKAGES."""
    found: dict[str, str] = {}
    for package in about(function, "PACKAGES") or ():
        with suppress(PackageNotFoundError):
            found[package] = package_version(package)
    return found


def _find(name: str) -> Callable[..., Any]:
    if name not in _bound:
        _bound[name] = bind("verifier", name, _options.get(name))
    return _bound[name]
