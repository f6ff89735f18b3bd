"""The process behind `tracegen view RUN`: an address, a token where others can connect, a server until Ctrl-C."""

import ipaddress
import secrets
import socket
import webbrowser
from contextlib import closing
from pathlib import Path

from tracegen.progress import say
from tracegen.records import MissingExtra, UsageError
from tracegen.rundir import STATUS

SECONDS_TO_END = 1


def serve(run: Path, *, host: str, port: int, token: bool, show: bool) -> None:
    """Serve the run's page until interrupted."""
    if not any((run / name).exists() for name in ("recipe.yaml", STATUS, "traces")):
        raise UsageError(f"{run} is not a run directory: it holds neither recipe.yaml nor {STATUS} nor traces/.")
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtra(f"{error.name}, which the page needs,", "view") from None
    from tracegen.view.shelf import Shelf

    listener = _listen(host, port)
    port = listener.getsockname()[1]
    secret = secrets.token_urlsafe(32) if token or not _loopback(host) else None
    with listener, closing(Shelf(run)) as shelf:
        from tracegen.view.app import application  # takes as long as the index's process needs to begin
        from tracegen.view.guard import Guard

        app = Guard(application(shelf, lambda: server.should_exit), port=port, name=_shown(host), token=secret)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_level="error",
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                proxy_headers=False,
                timeout_graceful_shutdown=SECONDS_TO_END,
            )
        )
        address = f"http://{_shown(host)}:{port}/" + (f"?token={secret}" if secret else "")
        say(f"{run}: {address} (Ctrl-C ends it)")
        if show:
            webbrowser.open(address)
        server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that a port in use is one sentence and `--port 0` is known."""
    listener = None
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        if listener is not None:
            listener.close()
        why = error.strerror or error
        raise UsageError(f"{host}:{port} cannot be served ({why}); say another --port, or --port 0 for any.") from None
    return listener


def _loopback(host: str) -> bool:
    """Whether only this machine can connect."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    """As it stands in an address that a browser can open."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
