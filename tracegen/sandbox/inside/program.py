"""Runs a program as `python program.py` would, in a process that was prepared for it.

The one difference: the interpreter is left by `os._exit` after threads, exit functions and buffers are done, because
taking it down object by object costs more than most programs do.
"""

import atexit
import builtins
import linecache
import os
import sys
import threading
from types import ModuleType, TracebackType
from typing import NoReturn

NAME = "program.py"


def run(source: str) -> NoReturn:
    """Runs `source` as the main module and leaves the process."""
    main = ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __file__=NAME)
    sys.modules["__main__"] = main
    sys.argv[:] = [NAME]
    linecache.cache[NAME] = (len(source), None, source.splitlines(keepends=True), NAME)
    try:
        exec(compile(source, NAME, "exec", dont_inherit=True), main.__dict__)
    finally:
        # Whatever it was that came out of the program, SystemExit included, ends here.
        _leave(*sys.exc_info())


def _leave(kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> NoReturn:
    code = 1
    try:
        if kind is None or error is None:
            code = 0
        elif isinstance(error, SystemExit):
            code = _exit_code(error)
        else:
            error = error.with_traceback(at.tb_next if at else None)
            sys.excepthook(kind, error, error.__traceback__)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code & 0xFF)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print(error.code, file=sys.stderr)
    return 1
