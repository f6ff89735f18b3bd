"""One pool of connections: bytes go out, status, headers and bytes come back, and what fails says how.

`Failure.kind` is what the caller can do about it:
    refused   the server has too much to do (429, 503, or a time to come back): wait, and nobody is to blame
    away      nobody listens: wait for the server
    broken    this try failed: reset, timeout, 5xx, nonsense; another one may do
    final     the server will never take this request
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from tracegen import __version__

__all__ = ["Failure", "Http", "Partial", "is_local"]

CONNECT = 30.0
"""Seconds for a connection: a machine that is gone says nothing, and its requests are for another one."""
Kind = Literal["refused", "away", "broken", "final"]
_LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1")


@dataclass(slots=True)
class Partial:
    """What a broken stream had brought."""

    reasoning: str
    text: str
    pieces: int
    """Events with text in them: about as many tokens."""


class Failure(Exception):
    """A try that gave no answer."""

    def __init__(
        self,
        kind: Kind,
        sentence: str,
        *,
        status: int = 0,
        retry_after: float | None = None,
        partial: Partial | None = None,
        paid: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.kind, self.sentence, self.status = kind, sentence, status
        self.retry_after, self.partial, self.paid = retry_after, partial, paid or {}


@dataclass(slots=True)
class Http:
    """Lives inside one event loop. The key goes into a header and nowhere else."""

    key: str | None = field(repr=False)
    timeout: float
    """Seconds for a whole try."""
    _session: Any = None
    _proxies: dict[str, str | None] = field(default_factory=dict)

    async def open(self) -> None:
        headers = {"Content-Type": "application/json", "User-Agent": f"tracegen/{__version__}"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=self.timeout, sock_connect=CONNECT),
            # How much is in flight is decided elsewhere.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=1 << 18,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, timeout: float = 30.0) -> tuple[int, bytes]:
        with _explained(timeout):
            limit = aiohttp.ClientTimeout(total=timeout)
            async with self._session.get(url, proxy=self.proxy(url), timeout=limit) as response:
                return response.status, await response.read()

    async def post(self, url: str, payload: bytes) -> tuple[int, Mapping[str, str], bytes]:
        with _explained(self.timeout):
            async with self._session.post(url, data=payload, proxy=self.proxy(url)) as response:
                return response.status, response.headers, await response.read()

    @asynccontextmanager
    async def stream(self, url: str, payload: bytes) -> AsyncIterator[Any]:
        """The response, whose content is read in lines by the caller."""
        with _explained(self.timeout):
            async with self._session.post(url, data=payload, proxy=self.proxy(url)) as response:
                yield response

    def proxy(self, url: str) -> str | None:
        """The environment's proxy for this server, looked up once; none stands between us and this machine."""
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._proxies:
            host = urlsplit(url).hostname or ""
            found = getproxies().get(urlsplit(url).scheme) or getproxies().get("all")
            self._proxies[origin] = None if is_local(url) or proxy_bypass(host) else found
        return self._proxies[origin]


class _explained:
    """What aiohttp raises becomes a Failure. A class, for it stands on every request's path."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is None:
            return
        if issubclass(kind, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)):
            raise Failure("away", f"no connection ({error})") from None
        if issubclass(kind, asyncio.TimeoutError):
            raise Failure("broken", f"no answer within {self.timeout:g} s") from None
        if issubclass(kind, (aiohttp.ClientError, OSError)):
            raise Failure("broken", f"the connection broke ({error or kind.__name__})") from None


def is_local(url: str) -> bool:
    """Whether the server is on this machine."""
    return _LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None
