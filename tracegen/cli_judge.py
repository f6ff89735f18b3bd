"""The commands that judge what comes from elsewhere: `grade` answers, and `audit` the verifier itself."""

import json
import os
import sys
from collections import Counter
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from tracegen.records import TracegenError, UsageError

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Option = Annotated[
    list[str] | None, typer.Option("--options", help="An option of the verifier, as in tolerance=1e-3; repeatable.")
]
CORES = os.cpu_count() or 2
Workers = Annotated[int, typer.Option(min=1, help="Processes that judge side by side.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one verdict; more is an error, not wrong.")]


def grade(
    verifier: Annotated[
        str, typer.Option(help="As in `tracegen list verifiers`, or your own as file.py:function.")
    ] = "math",
    options: Option = None,
    workers: Workers = CORES,
    timeout: Timeout = 10.0,
) -> None:
    """Judge JSON lines from stdin; they come back on stdout, in order, with outcome, answer, reason, place and seconds.

    A line is {"gold": ..., "pred": ...}; for the verifier code {"program": ..., "tests": ..., "entry_point": ...}; for
    stdio {"program": ..., "cases": [{"stdin": ..., "stdout": ...}], "compare": "whitespace" | "exact" | "float"}.

    A line that cannot be read comes back as {"line": n, "error": ...} and stops nothing; exit status 1 only if no line
    could be read.
    """
    from tracegen.grade import grade as judge
    from tracegen.progress import Bar

    outcomes: Counter[str] = Counter()
    # Bytes that are no UTF-8 make their own line unreadable, and half a surrogate pair goes out as it came in, escaped.
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    # Where the lines themselves run over the terminal, a bar would only be in their way.
    with Bar("grade", None, "lines", quiet=sys.stdout.isatty()) as bar:
        for found in judge(
            sys.stdin, verifier=verifier, workers=workers, options=parsed_options(options), timeout=timeout
        ):
            print(json.dumps(found, ensure_ascii=False), flush=True)
            outcomes[found.get("outcome", "unreadable")] += 1
            bar.advance(note=", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    if outcomes and outcomes["unreadable"] == outcomes.total():
        raise TracegenError("not one line could be read; the output says why of each.")


def audit(
    file: Annotated[str, typer.Argument(help="JSON lines with gold, pred and expected.")] = "verifier_math.jsonl",
    verifier: Annotated[str, typer.Option(help="The verifier that is scored.")] = "math",
    options: Option = None,
    workers: Workers = CORES,
    timeout: Timeout = 10.0,
    min_accuracy: Annotated[float | None, typer.Option(min=0, max=1, help="Exit status 1 below this.")] = None,
    as_json: Json = False,
) -> None:
    """Score a verifier on labelled lines: accuracy, false positives and negatives, speed, and every disagreement.

    A line is {"gold": ..., "pred": ..., "expected": true | false, "id": ..., "category": ...}, the last two if need be.
    Without a file, the labelled lines that come with tracegen.
    """
    from tracegen.audit import audit as score
    from tracegen.audit import show

    found = score(file, verifier=verifier, workers=workers, options=parsed_options(options), timeout=timeout)
    if as_json:
        print(json.dumps(found.as_dict(), ensure_ascii=False))
    else:
        show(found)
    if min_accuracy is not None and found.accuracy.value < min_accuracy:
        raise TracegenError(f"the accuracy is {found.accuracy.value:.4f}, below {min_accuracy}.")


def parsed_options(given: list[str] | None) -> dict[str, Any]:
    """`name=value` options; values are YAML, as in the overrides of a recipe."""
    import yaml

    found = {}
    for option in given or ():
        name, equals, text = option.partition("=")
        try:
            if not equals or not name:
                raise ValueError
            found[name] = yaml.safe_load(text)
        except (ValueError, yaml.YAMLError):
            raise UsageError(
                f"{option!r} is not an option; write name=value, as in --options tolerance=1e-3."
            ) from None
        if isinstance(found[name], str):
            # YAML 1.1 takes 1e-3, which has no point, for text.
            with suppress(ValueError):
                found[name] = float(text)
    return found
