"""A Hub on loopback: as much of its protocol as `huggingface_hub` and `datasets` need to publish and load a repository.

`with FakeHub() as hub:` serves on a free port; `hub.environment(home)` holds the variables for a process that talks to
it. Files live in memory as one snapshot a commit, in `hub.repos[...].commits`; `hub.requests` says what was asked.
`hub.refuse` refuses a request for good; `hub.faults` breaks it once: see `Fault`.
Limits: no branches, pull requests, pages or Xet storage (`HF_HUB_DISABLE_XET` makes the client use plain LFS).
"""

import base64
import hashlib
import io
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import yaml
from fake_hub_store import Commit, Repo, is_lfs, listing, oid

TOKEN = "hf_" + "x" * 34


class Fault(NamedTuple):
    """What goes wrong, once, with the next request that fits."""

    request: str
    """Regular expression over "METHOD path"."""
    what: int | str
    """A status; `reset` closes the connection unanswered, `lost` does what was asked and then closes it."""
    headers: Mapping[str, str] = {}


class FakeHub:
    """The server, on a thread of its own; `owners` are the names that the token may write to."""

    def __init__(self, *, token: str = TOKEN, owners: tuple[str, ...] = ("someone",)) -> None:
        self.token = token
        self.owners = owners
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        """LFS objects by sha256."""
        self.requests: list[tuple[str, str]] = []
        """(method, path) in the order of arrival."""
        self.refuse: dict[str, int] = {}
        """Regular expression over "METHOD path" -> the status that answers it."""
        self.faults: list[Fault] = []
        """Still to come; each is taken out when it has happened."""
        self.before_commit: Callable[[Repo], None] | None = None
        """Called once, just before the next commit is made: somebody else may be quicker."""
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeHub":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that send every Hugging Face library to this hub, with `home` as its store."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        }

    def dataset(self, name: str) -> Repo:
        return self.repos["datasets", name]


class _Refusal(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = self._chunks()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        try:
            for pattern, status in self.hub.refuse.items():
                if re.fullmatch(pattern, f"{self.command} {path}"):
                    raise _Refusal(status, "refused by the test")
            fault = self._fault(f"{self.command} {path}")
            if isinstance(fault.what, int):
                self._json({"error": "a fault"}, fault.what, {"X-Error-Message": "a fault", **fault.headers})
                return
            if fault.what == "reset":
                self._hang_up()
                return
            for methods, pattern, handler in ROUTES:
                if self.command in methods and (match := re.fullmatch(pattern, path)):
                    if fault.what == "lost":
                        self.wfile = io.BytesIO()
                    with self.hub.lock:
                        handler(self, **match.groupdict())
                    if fault.what == "lost":
                        self._hang_up()
                    return
            raise _Refusal(404, f"no such page: {self.command} {path}")
        except _Refusal as refusal:
            headers = {"X-Error-Message": str(refusal), **({"X-Error-Code": refusal.code} if refusal.code else {})}
            self._json({"error": str(refusal)}, refusal.status, headers)

    def _fault(self, request: str) -> Fault:
        with self.hub.lock:
            found = next((fault for fault in self.hub.faults if re.fullmatch(fault.request, request)), None)
            if found is not None:
                self.hub.faults.remove(found)
        return found or Fault(request, "none")

    def _hang_up(self) -> None:
        """The client sees a reset, not an orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.wfile = io.BytesIO()

    do_GET = do_HEAD = do_POST = do_PUT = _serve

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    @property
    def authorised(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _may_write(self, owner: str) -> None:
        if not self.authorised:
            raise _Refusal(401, "Invalid username or password.")
        if owner not in self.hub.owners:
            raise _Refusal(403, f"You don't have the rights to write to the namespace {owner}")

    def _repo(self, kind: str, repo: str) -> Repo:
        found = self.hub.repos.get((kind, repo))
        if found is None or (found.private and not self.authorised):
            raise _Refusal(404 if self.authorised else 401, "Repository not found", "RepoNotFound")
        return found

    def _commit_at(self, kind: str, repo: str, revision: str) -> Commit:
        commit = self._repo(kind, repo).at(revision)
        if commit is None:
            raise _Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def whoami(self) -> None:
        if not self.authorised:
            raise _Refusal(401, "Invalid credentials in Authorization header")
        self._json({"type": "user", "name": self.hub.owners[0], "orgs": [{"name": o} for o in self.hub.owners[1:]]})

    def create_repo(self) -> None:
        asked = json.loads(self.body)
        owner = asked.get("organization") or self.hub.owners[0]
        self._may_write(owner)
        kind, name = f"{asked.get('type', 'model')}s", f"{owner}/{asked['name']}"
        url = {"url": f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{name}"}
        if (kind, name) in self.hub.repos:
            self._json({"error": "You already created this repository", **url}, 409)
            return
        repo = self.hub.repos[kind, name] = Repo(kind, name, asked.get("visibility") == "private")
        repo.commit("initial commit", {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})
        self._json(url)

    def validate_yaml(self) -> None:
        match = re.match(r"---\n(.*?)\n---\n", json.loads(self.body)["content"], re.DOTALL)
        try:
            valid = match is not None and isinstance(yaml.safe_load(match[1]), dict)
        except yaml.YAMLError:
            valid = False
        errors = [] if valid else [{"message": "the front matter is not a YAML mapping"}]
        self._json({"errors": errors, "warnings": []}, 200 if valid else 400)

    def info(self, kind: str, repo: str, revision: str | None) -> None:
        commit = self._commit_at(kind, repo, revision or "main")
        self._json(
            {
                "id": repo,
                "sha": commit.oid,
                "private": self._repo(kind, repo).private,
                "siblings": [{"rfilename": path} for path in sorted(commit.files)],
            }
        )

    def preupload(self, kind: str, repo: str, revision: str) -> None:
        found = self._repo(kind, repo)
        self._may_write(repo.split("/")[0])
        self._json(
            {
                "files": [
                    {
                        "path": file["path"],
                        "uploadMode": "lfs" if is_lfs(file["path"]) else "regular",
                        "shouldIgnore": False,
                        "oid": oid(found.head, file["path"]) if file["path"] in found.head.files else None,
                    }
                    for file in json.loads(self.body)["files"]
                ]
            }
        )

    def lfs_batch(self, repo: str) -> None:
        self._may_write(repo.split("/")[0])
        objects = [{"oid": asked["oid"], "size": asked["size"]} for asked in json.loads(self.body)["objects"]]
        for item in objects:
            if item["oid"] not in self.hub.objects:
                item["actions"] = {
                    "upload": {"href": f"{self.hub.url}/lfs/{item['oid']}"},
                    "verify": {"href": f"{self.hub.url}/lfs/verify"},
                }
        self._json({"transfer": "basic", "objects": objects})

    def lfs_put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refusal(400, "the content is not what its name says")
        self.hub.objects[oid] = self.body
        self._send(b"")

    def lfs_verify(self) -> None:
        asked = json.loads(self.body)
        if len(self.hub.objects.get(asked["oid"], b"")) != asked["size"]:
            raise _Refusal(404, "no such object")
        self._json({})

    def commit(self, kind: str, repo: str, revision: str) -> None:
        found = self._repo(kind, repo)
        self._may_write(repo.split("/")[0])
        if hook := self.hub.before_commit:
            self.hub.before_commit = None
            hook(found)
        lines = [json.loads(line) for line in self.body.splitlines()]
        changes: dict[str, bytes | None] = {}
        lfs, summary = set(), ""
        for key, value in ((line["key"], line["value"]) for line in lines):
            if key == "header":
                summary = value["summary"]
                if value.get("parentCommit", found.head.oid) != found.head.oid:
                    raise _Refusal(412, "A commit has happened since. Please refresh and try again.")
            elif key == "file":
                changes[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise _Refusal(400, f"LFS object {value['oid']} was never uploaded")
                changes[value["path"]] = self.hub.objects[value["oid"]]
                lfs.add(value["path"])
            elif key == "deletedFile":
                if value["path"] not in found.head.files:
                    raise _Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
                changes[value["path"]] = None
            else:
                raise _Refusal(400, f"{key} is not known here")
        made = found.commit(summary, changes, frozenset(lfs))
        prefix = "" if kind == "models" else f"{kind}/"
        self._json(
            {"success": True, "commitOid": made.oid, "commitUrl": f"{self.hub.url}/{prefix}{repo}/commit/{made.oid}"}
        )

    def tree(self, kind: str, repo: str, revision: str, folder: str | None) -> None:
        commit = self._commit_at(kind, repo, revision)
        query = parse_qs(urlsplit(self.path).query)
        recursive = query.get("recursive", ["false"])[0].lower() == "true"
        entries = listing(commit, folder or "", recursive)
        if folder and not entries:
            raise _Refusal(404, f"{folder} does not exist", "EntryNotFound")
        self._json(entries)

    def paths_info(self, kind: str, repo: str, revision: str) -> None:
        commit = self._commit_at(kind, repo, revision)
        is_json = "json" in (self.headers.get("Content-Type") or "")
        paths = json.loads(self.body)["paths"] if is_json else parse_qs(self.body.decode())["paths"]
        everything = {entry["path"]: entry for entry in listing(commit, "", recursive=True)}
        self._json([everything[path] for path in paths if path in everything])

    def resolve(self, kind: str | None, repo: str, revision: str, file: str) -> None:
        commit = self._commit_at((kind or "models/").rstrip("/"), repo, revision)
        data = commit.files.get(file)
        if data is None:
            raise _Refusal(404, f"{file} does not exist", "EntryNotFound")
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{oid(commit, file)}"', "Accept-Ranges": "bytes"}
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            first, last = int(match[1]), min(int(match[2] or len(data)), len(data) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self._send(data[first : last + 1], 206, headers)
        else:
            self._send(data, 200, headers)


API = r"/api/(?P<kind>datasets|models)/(?P<repo>[^/]+/[^/]+)"
ROUTES: list[tuple[tuple[str, ...], str, Callable[..., None]]] = [
    (("GET",), r"/api/whoami-v2", _Handler.whoami),
    (("POST",), r"/api/repos/create", _Handler.create_repo),
    (("POST",), r"/api/validate-yaml", _Handler.validate_yaml),
    (("GET", "HEAD"), API + r"(/revision/(?P<revision>.+))?", _Handler.info),
    (("POST",), API + r"/preupload/(?P<revision>[^/]+)", _Handler.preupload),
    (("POST",), API + r"/commit/(?P<revision>[^/]+)", _Handler.commit),
    (("GET",), API + r"/tree/(?P<revision>[^/]+)(/(?P<folder>.*))?", _Handler.tree),
    (("POST",), API + r"/paths-info/(?P<revision>[^/]+)", _Handler.paths_info),
    (("POST",), r"/(?:datasets/)?(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    (("POST",), r"/lfs/verify", _Handler.lfs_verify),
    (("PUT",), r"/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_put),
    (
        ("GET", "HEAD"),
        r"/(?P<kind>datasets/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)",
        _Handler.resolve,
    ),
]
