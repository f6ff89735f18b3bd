"""Does the program pass its tests: assert statements, `check(candidate)` or the cases of a function?

Rule: the program is the last complete fenced block of the response (`_code.program`), behind HumanEval's prompt where
there is one in `extra["prompt"]`. As in HumanEval (Chen et al. 2021, arXiv:2107.03374) it is right when every assertion
holds; other than there, program and assertions share no process and speak only in values (`_code.wire`), so that
neither `__eq__`, nor patched builtins, nor an exit, nor a look at the tests can help it.
Reasons: passed, failed, exception, syntax_error, no_entry_point, no_answer, truncated, too_long (wrong); no_tests,
bad_tests (unverifiable); timeout, memory, output, infrastructure (error). `detail` says what failed, and where.
"""

from collections.abc import Sequence

from tracegen.records import Problem, Trace, Verdict
from tracegen.verifiers._code import relay
from tracegen.verifiers._code.given import given
from tracegen.verifiers._code.program import LANGUAGES, assembled, find, runnable
from tracegen.verifiers._code.suite import BadTests, read

VERSION = "1"


def code(
    problem: Problem,
    response: str,
    *,
    trace: Trace | None = None,
    seconds: float = 10.0,
    memory: int = 512,
    packages: Sequence[str] = (),
    unsafe: bool = False,
) -> Verdict:
    """The program passes all of its tests.

    `seconds` of CPU time and MiB of `memory` bound it; `packages` are folders that it may import from; `unsafe` runs it
    without walls.
    """
    try:
        suite = read(problem.tests, problem.entry_point)
    except BadTests as error:
        return Verdict("unverifiable", None, "bad_tests", detail=str(error)[:200])
    if suite is None:
        return Verdict("unverifiable", None, "no_tests")
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", None, "truncated")
    language = LANGUAGES["python"]
    prompt = str(problem.extra.get("prompt") or "")
    found = find(response, language, suite.names, prompt)
    if isinstance(found, str):
        return Verdict("wrong", None, found)
    box = relay.sandbox(unsafe, packages)
    first, program = assembled(prompt, found.text, language, problem.entry_point)
    helpers = given(runnable(prompt, language), suite.names, problem.entry_point)
    outcome, reason, detail = relay.judge(box, suite, first, program, relay.Bounds(seconds, memory), helpers)
    return Verdict(outcome, found.text, reason, place=found.place, span=found.span, detail=detail)


def deadline(problem: Problem, *, seconds: float = 10.0, **options: object) -> float:
    """The program's own wall clock, for as often as the machine may break it off, and some seconds to start."""
    return relay.ATTEMPTS * relay.Bounds(seconds, 0).wall + 15


def gold_is_answer(problem: Problem, **options: object) -> bool:
    """A canonical solution must pass; a problem may do without one, since its tests decide."""
    return problem.answer is not None


def ready(*, packages: Sequence[str] = (), unsafe: bool = False, **options: object) -> None:
    """UsageError, before anything is sampled, where there is no sandbox."""
    relay.ready(unsafe, tuple(packages))


def warm() -> None:
    """Starts the sandbox and runs a first program in it."""
    if suite := read("assert f(1) == 1", "f"):
        relay.judge(relay.sandbox(False), suite, "", "def f(x): return x", relay.Bounds(5.0, 256))
