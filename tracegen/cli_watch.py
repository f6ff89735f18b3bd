"""How a run is watched from the command line: the options of the verbs that work on a run, and `status`."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from tracegen.cli_judge import Json

OPTIONS: dict[str, tuple[Any, Any]] = {
    "quiet": (
        Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors and the last sentence.")],
        False,
    ),
    "json_log": (
        Annotated[
            str | None,
            typer.Option("--json-log", help="One JSON object an event, to this file, or `-` for stderr alone."),
        ],
        None,
    ),
    "metrics_port": (
        Annotated[
            str | None,
            typer.Option("--metrics-port", help="Serve metrics for Prometheus at PORT of this machine, or HOST:PORT."),
        ],
        None,
    ),
}


def watchable(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options that say who watches the run."""

    @wraps(command)
    def watched(*arguments: Any, quiet: bool, json_log: str | None, metrics_port: str | None, **given: Any) -> None:
        from tracegen.live.outside import options
        from tracegen.progress import log

        options.quiet, options.json_log, options.metrics = quiet, json_log, metrics_port
        log.alone = json_log == "-"
        command(*arguments, **given)

    own = inspect.signature(command)
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in OPTIONS.items()
    ]
    # typer reads a command's options off these two.
    watched.__signature__ = own.replace(parameters=[*own.parameters.values(), *more])  # type: ignore[attr-defined]
    watched.__annotations__ = command.__annotations__ | {name: kind for name, (kind, _) in OPTIONS.items()}
    return watched


def status(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds, until the run ends.")] = False,
    as_json: Json = False,
) -> None:
    """What a run is doing, or where it stands: works from another terminal, and on a run at rest."""
    from tracegen.status import show

    show(run, watch=watch, as_json=as_json)
