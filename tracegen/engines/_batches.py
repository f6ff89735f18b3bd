"""The Batch endpoints of one server: files go up and down, batches are made, looked at, found again and cancelled.

A call that meets a broken connection, 408, 409, 429 or 5xx is made again, for up to PATIENCE once the server has
answered anything. Only making a batch is not simply repeated: whether the first try arrived is looked up, because every
batch is paid for. Calls block; a batch takes minutes to hours.
"""

import http.client
import json
import random
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from tracegen.engines._http import is_local
from tracegen.engines._refusals import account_empty, key_refused, message, nobody_there, one_line, retry_after
from tracegen.records import TracegenError

__all__ = ["ENDPOINT", "Batches", "Gone", "may_pass"]

ENDPOINT = "/v1/chat/completions"
TAG = "tracegen"
"""The name in a batch's metadata under which it is found again."""
PATIENCE, FIRST_PATIENCE = 1800.0, 10.0
"""Seconds for which a server may be away, and may be so when it has never answered."""
SLACK = 3600.0
"""Seconds by which the clocks of server and client may differ."""
_PAGE = 100

T = TypeVar("T")


class Gone(TracegenError):
    """A batch or a file that the server does not know (any more)."""


def may_pass(status: int) -> bool:
    """Whether another try may do, of a call or of one request in a batch."""
    return status in (408, 409, 429) or status >= 500


class _Unsure(Exception):
    """A call that may or may not have been carried out; `wait` where the server says that it was not."""

    def __init__(self, sentence: str, *, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.wait = wait


@dataclass
class Batches:
    """One server; what fails for all requests is a TracegenError in one sentence."""

    base_url: str
    key: str | None = field(repr=False)
    key_env: str | None
    timeout: float
    _heard: bool = False

    def upload(self, lines: IO[bytes], name: str) -> str:
        """The id of a file with these lines."""
        edge = uuid.uuid4().hex
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        ).encode()
        tail = f"\r\n--{edge}--\r\n".encode()
        size = lines.seek(0, 2)

        def body() -> Iterator[bytes]:
            lines.seek(0)
            yield head
            while piece := lines.read(1 << 20):
                yield piece
            yield tail

        headers = {
            "Content-Type": f"multipart/form-data; boundary={edge}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        return str(self._patiently(_parsed, "POST", "/files", body, headers)["id"])

    def create(self, file_id: str, tag: str) -> dict[str, Any]:
        """A new batch of this file; where it is not certain that it was made, it is looked for before another try."""
        asked = time.time()
        order = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {TAG: tag},
        }
        body, headers = json.dumps(order).encode(), {"Content-Type": "application/json"}
        made = partial(self.find, tag, file_id, asked)
        return self._patiently(_parsed, "POST", "/batches", lambda: body, headers, made)

    def look(self, batch_id: str) -> dict[str, Any]:
        """How a batch stands."""
        return self._patiently(_parsed, "GET", f"/batches/{batch_id}")

    def find(self, tag: str, file_id: str | None, since: float) -> dict[str, Any] | None:
        """The batch with this tag, or of this file, if it was made since then (wall clock); newest first."""
        after: str | None = None
        while True:
            query = urlencode({"limit": _PAGE} | ({"after": after} if after else {}))
            page = self._patiently(_parsed, "GET", f"/batches?{query}")
            rows = page.get("data") or []
            for row in rows:
                if (row.get("metadata") or {}).get(TAG) == tag or (file_id and row.get("input_file_id") == file_id):
                    return dict(row)
            if not rows or not page.get("has_more") or (rows[-1].get("created_at") or 0) < since - SLACK:
                return None
            after = rows[-1]["id"]

    def cancel(self, batch_id: str) -> bool:
        """Whether the server cancels it; asked once, for whoever leaves does not wait, and it may have ended by now."""
        try:
            with self._once("POST", f"/batches/{batch_id}/cancel", b"", {"Content-Length": "0"}):
                return True
        except (_Unsure, TracegenError):
            return False

    def rows(self, file_id: str, here: IO[bytes]) -> Iterator[dict[str, Any]]:
        """The lines of a file, when it is all `here`: whoever takes its time does not hold up the connection."""

        def keep(answer: _Answer) -> None:
            here.seek(0)
            here.truncate()
            shutil.copyfileobj(answer, here)

        self._patiently(keep, "GET", f"/files/{file_id}/content")
        here.seek(0)
        for line in here:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # its request has no answer then, and is asked again
            if isinstance(row, dict):
                yield row

    @property
    def _patience(self) -> float:
        return PATIENCE if self._heard else FIRST_PATIENCE

    def _patiently(
        self,
        read: "Callable[[_Answer], T]",
        method: str,
        path: str,
        body: Callable[[], Any] = lambda: None,
        headers: Mapping[str, str] | None = None,
        arrived: "Callable[[], T | None]" = lambda: None,
    ) -> T:
        """A call until it is answered; `body` makes what is sent anew for each try.

        Where repeating it would cost something, `arrived` looks for what a try without an answer has brought about.
        """
        start, wait = time.monotonic(), 0.5
        while True:
            try:
                with self._once(method, path, body(), headers or {}) as answer:
                    return read(answer)
            except _Unsure as error:
                if time.monotonic() - start + (error.wait or 0) > self._patience:
                    raise self._away(error) from None
                time.sleep(error.wait or wait * random.uniform(0.5, 1))
                wait = min(2 * wait, 60.0)
                if error.wait is None and (found := arrived()) is not None:
                    return found

    @contextmanager
    def _once(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> "Iterator[_Answer]":
        request = Request(self.base_url.rstrip("/") + path, data=body, headers=dict(headers), method=method)
        if self.key:
            # Not sent on where a download is redirected to somebody else's storage.
            request.add_unredirected_header("Authorization", f"Bearer {self.key}")
        try:
            answer = self._opener().open(request, timeout=self.timeout)
        except HTTPError as error:
            self._heard = True
            raise self._refusal(error, path) from None
        except (URLError, OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _Unsure(f"connection failed ({reason or type(error).__name__})") from None
        self._heard = True
        with answer:
            yield _Answer(answer)

    def _opener(self) -> OpenerDirector:
        return build_opener(ProxyHandler({})) if is_local(self.base_url) else build_opener()

    def _refusal(self, error: HTTPError, path: str) -> Exception:
        said, code = _message(error)
        said = one_line(said, self.key)
        status, what = error.code, path.partition("?")[0]
        if status in (401, 403):
            return key_refused(self.base_url, status, self.key_env)
        if status == 402 or code in ("insufficient_quota", "billing_hard_limit_reached"):
            return account_empty(self.base_url, status, said)
        if status == 404 and what.count("/") > 1:
            return Gone(f"the server at {self.base_url} does not know {what} (404): {said}")
        if status in (404, 405, 501):
            return TracegenError(
                f"the server at {self.base_url} has no Batch endpoints ({status} for {what}); use the engine openai "
                "there, or check base_url, which usually ends in /v1."
            )
        if may_pass(status):
            headers = {name.lower(): value for name, value in error.headers.items()}
            wait = retry_after(headers) if status in (429, 503) else None
            return _Unsure(f"{status} {said}", wait=5.0 if wait is None and status == 429 else wait)
        return TracegenError(f"the server at {self.base_url} refuses {what} ({status}): {said}")

    def _away(self, error: _Unsure) -> TracegenError:
        if not self._heard:
            return nobody_there(self.base_url, str(error))
        how = f"asks to wait for {error.wait:.0f} s" if error.wait else f"has not answered for {self._patience:g} s"
        return TracegenError(
            f"the server at {self.base_url} {how} ({error}); batches that are there go on, and the same command picks "
            "them up."
        )


class _Answer:
    """The body of an answer; one that breaks off, or of which a part is missing, is none."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer, self._left = answer, answer.length

    def read(self, size: int = -1) -> bytes:
        try:
            piece = self._answer.read(size) if size >= 0 else self._answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise _Unsure(f"the connection broke ({error})") from None
        if self._left is not None:
            self._left -= len(piece)
            if not piece and self._left > 0:
                raise _Unsure("the connection broke")
        return piece


def _parsed(answer: _Answer) -> dict[str, Any]:
    text = answer.read()
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _Unsure(f"the answer is not a JSON object: {text[:80]!r}")
    return found


def _message(error: HTTPError) -> tuple[str, str]:
    """What the server says, and its code for it."""
    try:
        payload = error.read(10_000)
    except (OSError, http.client.HTTPException):
        return error.reason, ""
    try:
        said = json.loads(payload).get("error")
    except (ValueError, AttributeError):
        said = None
    code = said.get("code") or said.get("type") if isinstance(said, dict) else ""
    return message(payload), str(code or "")
