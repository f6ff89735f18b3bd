"""The command that shows a run in a browser: `view`."""

from pathlib import Path
from typing import Annotated

import typer

PORT = 8642


def view(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the page is served; 0: any port that is free.")
    ] = PORT,
    host: Annotated[
        str, typer.Option(help="The address that it listens at; any but this machine's own demands a token.")
    ] = "127.0.0.1",
    token: Annotated[bool, typer.Option("--token", help="Demand a token of this machine's own users as well.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Look at a run in the browser: its traces, verdicts, drops and figures, also while it goes on."""
    from tracegen.view.server import serve

    serve(run, host=host, port=port, token=token, show=open_)
