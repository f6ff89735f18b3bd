"""The addresses of the page, and what is behind each: JSON over GET.

    /api/run            what the run is, and what became of its traces
    /api/traces?...     a page of the list (`query` says what it can be asked)
    /api/trace/KEY      one trace in full
    /api/problem/ID     a problem with all its traces
    /api/live           server-sent events, one a second while the run goes on, then `rest`
    /  /static/...      the page

JSON is written in ASCII: half of a surrogate pair, as a model may write it, gets through, and a text can be taken for
nothing but a text. A figure that is no number is null. An error is `{"error": sentence}`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import duckdb
import yaml
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tracegen import evidence
from tracegen.records import TracegenError, UsageError
from tracegen.view import live, pages, query, search, whole
from tracegen.view.shelf import Shelf

STATIC = Path(__file__).with_name("static")
EVERY = 1.0
"""Seconds between two events of a run that goes on."""


class Json(Response):
    """An answer in ASCII."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encoded(content).encode("ascii")


def encoded(content: Any) -> str:
    """As a browser can read it."""
    try:
        return json.dumps(content, separators=(",", ":"), allow_nan=False)
    except ValueError:  # JSON has no infinity, and what a filter noted may hold one
        return json.dumps(_finite(content), separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def application(shelf: Shelf, ending: Callable[[], bool] = lambda: False) -> Starlette:
    """The application over one run; `ending` says that the server stops, which ends all streams."""
    routes = [
        Route("/", lambda request: FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})),
        Route("/api/run", _answering(lambda request: run(shelf))),
        Route("/api/traces", _answering(lambda request: traces(shelf, request))),
        Route("/api/trace/{key:path}", _answering(lambda request: whole.trace(shelf, request.path_params["key"]))),
        Route("/api/problem/{id:path}", _answering(lambda request: whole.problem(shelf, request.path_params["id"]))),
        Route("/api/live", lambda request: StreamingResponse(events(shelf, ending), media_type="text/event-stream")),
        Mount("/static", StaticFiles(directory=STATIC, check_dir=False)),
    ]
    handlers: Any = {HTTPException: _no_page}
    return Starlette(routes=routes, exception_handlers=handlers)


def run(shelf: Shelf) -> dict[str, Any]:
    """What stands above the list."""
    folder, version, going_on = shelf.run, shelf.state(), live.goes_on(shelf.run)
    recipe = evidence.newest_recipe(folder)
    tree = yaml.safe_load(recipe)
    whole = version.whole and (going_on or "cost" in version.summary)
    return {
        "name": (isinstance(tree, Mapping) and tree.get("name")) or folder.resolve().name,
        "live": going_on,
        "recipe": recipe,
        **version.summary,
        "funnel": evidence.funnel(folder) or None,
        "scores": list(evidence.json_lines(folder / "scores.jsonl")),
        "index": {"rows": version.rows, "all": version.all_rows, "whole": whole, "error": version.error},
    }


def traces(shelf: Shelf, request: Request) -> dict[str, Any]:
    """A page of the list."""
    asked = query.read(dict(request.query_params))
    return search.page(shelf, asked) if asked.words else pages.page(shelf, asked)


async def events(shelf: Shelf, ending: Callable[[], bool]) -> AsyncIterator[str]:
    """What is new, as long as the run goes on."""
    while not ending() and await run_in_threadpool(live.goes_on, shelf.run):
        yield f"data: {encoded(await run_in_threadpool(_news, shelf))}\n\n"
        for _ in range(10):
            await asyncio.sleep(EVERY / 10)
            if ending():
                return
    if not ending():
        yield "event: rest\ndata: {}\n\n"


def _news(shelf: Shelf) -> dict[str, Any]:
    totals = shelf.newest().summary.get("totals")
    return {"figures": live.figures(shelf.run), "totals": totals, "latest": live.latest(shelf.run)}


def _answering(answer: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        try:
            return Json(answer(request))
        except whole.Absent as error:
            return Json({"error": str(error)}, 404)
        except UsageError as error:
            return Json({"error": str(error)}, 400)
        except TracegenError as error:
            return Json({"error": str(error)}, 503)
        except (FileNotFoundError, duckdb.IOException):  # sealed, packed or curated anew in this moment
            return Json({"error": "the run's files have changed while they were read; ask again in a moment."}, 503)
        except yaml.YAMLError:
            return Json({"error": "the newest recipe*.yaml of this run is damaged: not YAML."}, 503)

    return endpoint


def _no_page(request: Request, error: HTTPException) -> Response:
    return Json({"error": f"{error.detail}: there is no such page."}, error.status_code)
