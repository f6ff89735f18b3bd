"""The guest that runs a checker, `check(stdin, expected, actual) -> bool`, on the output of a program it never met."""

from tracegen.verifiers._code.peer import read_frame, write_frame
from tracegen.verifiers._code.telling import Finding, told
from tracegen.verifiers._code.wire import decode, encode


def main() -> None:
    write_frame(encode(_verdict(*decode(read_frame()))))


def _verdict(source: str, stdin: str, expected: str, actual: str) -> Finding:
    space: dict[str, object] = {"__name__": "checker"}
    try:
        exec(compile(source, "<checker>", "exec", dont_inherit=True), space)
        accepted = space["check"](stdin, expected, actual)  # type: ignore[operator]
    except MemoryError:
        return Finding("error", "memory", "the checker ran out of memory")
    except BaseException as error:  # noqa: BLE001 - a checker may fail in any way, and that is not the program's fault
        return Finding("unverifiable", "bad_tests", f"the checker raised {told(error)}")
    return Finding("right", "passed") if accepted is True else Finding("wrong", "failed", "the checker refused it")
