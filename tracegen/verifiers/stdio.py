"""Does the program print what is expected for every input?

Rule: the program is the last complete fenced block of the response (`_code.program`). It is run once a case, as a whole
program in the sandbox, with the case's `stdin`; what it prints is compared here (`_code.compare`), or by a checker in a
guest of its own, so that nothing of the program's is ever near what is expected. A program that ends with an exit code
other than 0 has failed, whatever it printed. The first case that is not right ends it, and is the verdict.
Reasons: passed, failed, exception, syntax_error, no_answer, truncated, too_long (wrong); no_tests, bad_tests
(unverifiable); timeout, memory, output, infrastructure (error). `detail` names the case.
"""

from collections.abc import Sequence

from tracegen.records import Problem, Trace, UsageError, Verdict
from tracegen.sandbox import Ended, Sandbox
from tracegen.verifiers._code import relay
from tracegen.verifiers._code.cases import Case, read
from tracegen.verifiers._code.compare import COMPARISONS, first_difference
from tracegen.verifiers._code.program import LANGUAGES, find
from tracegen.verifiers._code.relay import Bounds
from tracegen.verifiers._code.suite import BadTests
from tracegen.verifiers._code.telling import Finding

VERSION = "1"


def stdio(
    problem: Problem,
    response: str,
    *,
    trace: Trace | None = None,
    compare: str = "whitespace",
    tolerance: float = 1e-6,
    every_case: bool = False,
    seconds: float = 10.0,
    memory: int = 512,
    packages: Sequence[str] = (),
    unsafe: bool = False,
) -> Verdict:
    """The program prints what it should for every input.

    `compare`: whitespace, exact, float (within `tolerance`), or the source of `check(stdin, expected, actual)`;
    `every_case` goes on after a failure; `seconds` of CPU time and MiB of `memory` bound each case; for `packages` and
    `unsafe` see `code`.
    """
    known(compare)
    try:
        cases = read(problem.tests)
    except BadTests as error:
        return Verdict("unverifiable", None, "bad_tests", detail=str(error)[:200])
    if not cases:
        return Verdict("unverifiable", None, "no_tests")
    if trace is not None and trace.status == "truncated":
        return Verdict("wrong", None, "truncated")
    language = LANGUAGES["python"]
    found = find(response, language)
    if isinstance(found, str):
        return Verdict("wrong", None, found)
    box, bounds = relay.sandbox(unsafe, packages), Bounds(seconds, memory)
    findings: list[Finding] = []
    for case in cases:
        findings.append(_tried(box, found.text, case, compare, tolerance, bounds))
        if findings[-1].outcome != "right" and not every_case:
            break
    failed = [number for number, finding in enumerate(findings, start=1) if finding.outcome != "right"]
    outcome, reason, detail = findings[failed[0] - 1] if failed else Finding("right", "passed")
    if reason == "exception" and not language.parses(found.text):
        reason = "syntax_error"
    passed = f"; {len(findings) - len(failed)} of {len(cases)} cases pass" if every_case and failed else ""
    detail = f"case {failed[0]}: {detail}{passed}" if failed else ""
    return Verdict(outcome, found.text, reason, place=found.place, span=found.span, detail=detail)


def deadline(problem: Problem, *, seconds: float = 10.0, **options: object) -> float:
    """Every case may use all of its time by the clock, and some seconds to start."""
    try:
        cases = len(read(problem.tests))
    except BadTests:
        cases = 0
    return max(1, cases) * Bounds(seconds, 0).wall + 15


def gold_is_answer(problem: Problem, **options: object) -> bool:
    """A canonical solution must pass; a problem may do without one, since its tests decide."""
    return problem.answer is not None


def ready(
    *, compare: str = "whitespace", packages: Sequence[str] = (), unsafe: bool = False, **options: object
) -> None:
    """UsageError, before anything is sampled, where there is no sandbox or no such comparison."""
    known(compare)
    relay.ready(unsafe, tuple(packages))


def warm() -> None:
    """Starts the sandbox and runs a first program in it."""
    relay.sandbox(False).run("print(1)", limits=Bounds(5.0, 256).limits())


def known(compare: str) -> None:
    """UsageError for a comparison that there is not."""
    if compare not in COMPARISONS and "def check" not in compare:
        raise UsageError(
            f"verifier 'stdio': compare is {compare[:60]!r}; it is {', '.join(COMPARISONS)}, or the source of a "
            "function check(stdin, expected, actual)."
        )


def _tried(box: Sandbox, program: str, case: Case, compare: str, tolerance: float, bounds: Bounds) -> Finding:
    ended = box.run(program, stdin=case.stdin.encode("utf-8", "surrogatepass"), limits=bounds.limits())
    if broken := relay.limit(ended):
        return broken
    if ended.status != "exited" or ended.code != 0:
        return Finding("wrong", "exception", _last_words(ended))
    actual = ended.stdout.decode("utf-8", "replace")
    if compare not in COMPARISONS:
        return relay.checked(box, compare, case.stdin, case.stdout, actual, bounds)
    if COMPARISONS[compare](case.stdout, actual, tolerance):
        return Finding("right", "passed")
    return Finding("wrong", "failed", first_difference(case.stdout, actual))


def _last_words(ended: Ended) -> str:
    lines = ended.stderr.decode("utf-8", "replace").strip().split("\n")
    how = f"exit code {ended.code}" if ended.status == "exited" else f"signal {ended.code}"
    return f"{how}; {lines[-1][:200]}".removesuffix("; ")
