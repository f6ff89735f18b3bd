"""One vLLM server process: started, waited for, watched, and ended with all that it has started.

    with Serving(...) as serving:     healthy from here on; `serving.url`, `serving.death()`

A shell stands between: it holds the server's process group, and ends it when the server ends or when this process does,
however that happens. What the server prints goes into a log, and the cause of a death is read from there.
Limits: POSIX; this machine only.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tracegen.engines._core import cause
from tracegen.engines._metrics import Queue, read_metrics
from tracegen.engines._share import Closed
from tracegen.progress import LINE_EVERY, say
from tracegen.records import TracegenError

__all__ = ["Serving", "arguments", "free_port"]

_GUARD = '("$@" </dev/null; echo "the server ended with status $?"; kill -9 0) & read -r _; kill -9 0'
"""The shell reads from a pipe whose other end is held by this process only; when that is gone, it is closed."""
_BEAT = 5.0
"""Seconds between two looks at /health."""
_SILENCE = 120.0
"""Seconds without an answer from /health after which a server that still runs is taken for dead and killed."""
_STALL = 900.0
"""Seconds in which requests run and no token is read or written: whatever /health says, the server hangs."""
_PORT = 10.0
"""Seconds until the port of a server that was killed is free again; longer than that, it is somebody else's."""
_LAST_WORDS = 30.0
"""Seconds that a server may take from failing its requests to being seen as dead, or alive."""


class Serving:
    """A server from its start to its end. TracegenError if it ends, or is not healthy, within `timeout` seconds."""

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        port: int,
        env: Mapping[str, str],
        log: Path,
        timeout: float,
        closing: threading.Event,
    ) -> None:
        self.name, self._command, self._env, self._timeout, self._closing = name, command, env, timeout, closing
        self._log = log
        self._port = port
        self._hangs: str | None = None
        self._ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._wait_for_port()
        command = [*self._command, "--host", "127.0.0.1", "--port", str(self._port)]
        with self._log.open("ab") as log:
            self._began = log.tell()
            self._process = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._env,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.end()
            raise
        threading.Thread(target=self._watch, name=f"{self.name} watch", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Nothing of the server is left."""
        self._ended.set()
        self._kill()
        self._process.communicate()

    @property
    def over(self) -> bool:
        """The process has ended."""
        return self._process.poll() is not None

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def death(self) -> str | None:
        """Why the server is dead, or None; waits a moment where it does not answer, because a failure comes first."""
        deadline = time.monotonic() + _LAST_WORDS
        while time.monotonic() < deadline:
            if self.over:
                return self._cause()
            if self._healthy() == 200:
                return None
            self._ended.wait(0.2)
        return self._cause()

    def _wait_for_port(self) -> None:
        """Whoever else listens there would be taken for our server, and asked."""
        deadline = time.monotonic() + _PORT
        while not _is_free(self._port):
            if time.monotonic() > deadline:
                raise TracegenError(
                    f"{self.name} cannot have port {self._port}, where another program listens; name a free one with "
                    "the option port, or none, and one is found."
                )
            if self._closing.wait(0.1):
                raise Closed

    def _wait(self) -> None:
        start = said = time.monotonic()
        while self._healthy() != 200:
            now = time.monotonic()
            if self._closing.wait(0.5):
                raise Closed
            if self.over:
                raise TracegenError(f"{self.name} did not start: {self._cause()}")
            if now - start > self._timeout:
                raise TracegenError(
                    f"{self.name} was not ready after {self._timeout:g} s (start_timeout); it last said: {self._said()}"
                )
            if now - said > LINE_EVERY:
                said = now
                say(f"{self.name} is starting ({now - start:.0f} s): {self._said()}")
        say(f"{self.name} is ready after {time.monotonic() - start:.0f} s.")
        # What it complained of so far has not kept it from starting.
        self._began = self._log.stat().st_size

    def _watch(self) -> None:
        """A server that hangs would keep its requests for ever; killed, it fails them all. So it does when we close."""
        heard = moved = time.monotonic()
        tokens = -1.0
        while not self._closing.wait(_BEAT) and not self._ended.is_set() and not self.over:
            now = time.monotonic()
            if self._healthy() is not None:
                heard = now
            if not (load := self._load()) or not load.running or load.tokens != tokens:
                moved, tokens = now, load.tokens if load else -1.0
            if now - heard > _SILENCE:
                self._hangs = f"it had not answered its /health for {_SILENCE:g} s"
            elif now - moved > _STALL and load:
                self._hangs = f"it had worked on {load.running:.0f} requests for {_STALL:g} s without a single token"
            if self._hangs:
                break
        if not self._ended.is_set():
            self._kill()

    def _healthy(self) -> int | None:
        """The status of /health; None if nobody answers."""
        status, _ = self._get("/health")
        return status

    def _load(self) -> Queue | None:
        """What the server says of its work; None if it says nothing."""
        status, page = self._get("/metrics")
        return read_metrics(page) if status == 200 else None

    def _get(self, path: str) -> tuple[int | None, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}{path}", timeout=_BEAT) as answer:
                return int(answer.status), answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return None, ""

    def _cause(self) -> str:
        if self._hangs:
            return self._hangs
        with self._log.open("rb") as log:
            return cause(log, self._said(), since=self._began)

    def _said(self) -> str:
        """The last line that it printed."""
        lines = self._log.read_bytes()[self._began :].decode(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "nothing yet")


def arguments(model: str, options: Mapping[str, Any]) -> list[str]:
    """The command line of a server: names with dashes, true and false as flags, mappings as JSON."""
    found = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    for name, value in options.items():
        flag = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list | tuple):
            found += [f"--{flag}", *map(str, value)]
        else:
            found += [f"--{flag}", json.dumps(value) if isinstance(value, Mapping) else str(value)]
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the server: connections that are over do not keep the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
