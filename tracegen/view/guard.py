"""Who is answered, and what every answer says to the browser.

Only GET and HEAD. On a loopback address the name in `Host` must be this machine's own, so that no page elsewhere can
reach a run through a name of its own that it points here (DNS rebinding); requests that a page of another site makes
are refused as well. Where others can connect, or `--token` is said, everybody needs the token: once as `?token=`, which
sets a cookie and is taken out of the address, or as `Authorization: Bearer`.

The policy lets the page load its own files and nothing else, run no inline script and no inline style, and make no HTML
out of text (https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/trusted-types/).
"""

import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
HEADERS = {
    "Content-Security-Policy": "; ".join(POLICY),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
OTHER_SITES = ("cross-site", "same-site")
"""To a browser, whatever else is served on this machine is of the same site."""
OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Guard:
    """Stands before the application. `token` None: this machine's own names are answered without one; `name` is one."""

    def __init__(self, app: ASGIApp, *, port: int, name: str = "localhost", token: str | None = None) -> None:
        self._app, self._token = app, token
        names = {*OWN_NAMES, name}
        self._hosts = {f"{each}:{port}" for each in names} | (names if port == 80 else set())
        self._cookie = f"tracegen-view-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a lifespan; a websocket is never accepted
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        answer = self._refusal(scope) or self._app
        await answer(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to whoever is not let in."""
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD"):
            return _said(405, "only GET is answered here.", {"Allow": "GET, HEAD"})
        if headers.get("sec-fetch-site") in OTHER_SITES and headers.get("sec-fetch-mode") != "navigate":
            return _said(403, "pages of other sites are not answered.")
        if self._token is None:
            if headers.get("host", "").lower() not in self._hosts:
                return _said(
                    403, "this page answers to this machine's own names only; open it as http://localhost or 127.0.0.1."
                )
            return None
        return self._by_token(scope, headers, self._token)

    def _by_token(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and _same(given, token):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            # Never an address that begins with two slashes: a browser takes that for another machine.
            path = "/" + scope.get("raw_path", b"/").decode("latin-1").lstrip("/\\")
            answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
            answer.set_cookie(self._cookie, token, httponly=True, samesite="lax", path="/")
            return answer
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if _same(self._cookies(headers).get(self._cookie, ""), token) or _same(bearer, token):
            return None
        return _said(
            401, "this page needs the token that `tracegen view` printed: open the whole address, ?token=... included."
        )

    def _cookies(self, headers: Headers) -> Mapping[str, str]:
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
        except CookieError:
            return {}


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _said(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(sentence + "\n", status, headers)
