"""A scriptable Batch server on loopback: `with FakeBatches(reply=...) as server: server.base_url`.

`reply(body) -> dict` says what becomes of one line: text, reasoning, finish_reason, completion_tokens, status (an error
line), message, or `skip` (neither file has it). A batch moves one step at each look: `looks` of them until it has ended
with `ends` (completed, expired, failed, cancelled); `share` of its lines are answered by then. Batches and files stay
when a client goes. `faults` is a list of (method and path, what happens), used up in order: a status, "lost" (carried
out, but no answer), "reset" (not carried out), "torn" (a 500 that breaks off), or a status with the seconds of its
Retry-After. `most` lines are taken in one batch. What was called is in `log`; `asked` counts the lines of all batches.
"""

import email.parser
import email.policy
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fake_answers import Reply, answer, usage, whole_body


class FakeBatches:
    """Serves from threads of its own."""

    def __init__(
        self,
        reply: Reply = answer,
        *,
        looks: int = 2,
        ends: str = "completed",
        share: float = 1.0,
        api_key: str | None = None,
        keeps_metadata: bool = True,
        most: int = 50_000,
    ) -> None:
        self.reply, self.looks, self.ends, self.share, self.api_key = reply, looks, ends, share, api_key
        self.keeps_metadata, self.most = keeps_metadata, most
        self.errors: list[dict[str, str]] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.faults: list[tuple[str, int | str | tuple[int, int]]] = []
        self.asked: Counter[str] = Counter()
        self.lock = threading.RLock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "FakeBatches":
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def lines(self, file_id: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[file_id].splitlines()]

    def keep(self, content: bytes) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        return name

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert order["endpoint"] == "/v1/chat/completions"
        assert order["completion_window"] == "24h"
        lines = self.lines(order["input_file_id"])
        self.asked.update(line["custom_id"] for line in lines)
        batch = {
            "id": f"batch_{len(self.batches) + 1}",
            "object": "batch",
            "status": "validating",
            "input_file_id": order["input_file_id"],
            "created_at": int(time.time()),
            "metadata": order.get("metadata") if self.keeps_metadata else None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "looks": self.looks,
            "ends": self.ends if len(lines) <= self.most else "failed",
        }
        self.batches[batch["id"]] = batch
        return batch

    def step(self, batch: dict[str, Any]) -> None:
        if batch["status"] in ("completed", "failed", "expired", "cancelled"):
            return
        batch["looks"] -= 1
        if batch["looks"] > 0:
            batch["status"] = "in_progress"
            return
        batch["status"] = batch["ends"]
        if batch["ends"] == "failed":
            batch["errors"] = {"object": "list", "data": self.errors}
            return
        good, bad = [], []
        lines = self.lines(batch["input_file_id"])
        done = round(self.share * len(lines))
        for line in reversed(lines[:done]):  # in an order of its own, as the real one
            said = self.reply(line["body"])
            if not said.get("skip"):
                row = _row(line, said)
                (good if row["response"]["status_code"] == 200 else bad).append(row)
        if batch["ends"] == "expired":
            error = {"code": "batch_expired", "message": "not run before the window ended"}
            bad += [{"custom_id": line["custom_id"], "response": None, "error": error} for line in lines[done:]]
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                batch[name] = self.keep("".join(json.dumps(row) + "\n" for row in rows).encode())
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}


def _row(line: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    status = said.get("status", 200)
    body: dict[str, Any] = {"error": {"message": said.get("message", "scripted failure")}}
    if status == 200:
        prompt = sum(len(message["content"].split()) for message in line["body"]["messages"])
        body = whole_body(line["body"], said, usage(line["body"], said, prompt))
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "line", "custom_id": line["custom_id"], "response": response, "error": None}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeBatches
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle("GET", b"")

    def do_POST(self) -> None:
        self._handle("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *_: Any) -> None:
        return

    def _handle(self, method: str, body: bytes) -> None:
        with self.fake.lock:
            what = f"{method} {self.path.partition('?')[0].removeprefix('/v1')}"
            self.fake.log.append(what)
            fault = None
            if self.fake.faults and what.startswith(self.fake.faults[0][0]):
                fault = self.fake.faults.pop(0)[1]
            if fault == "reset":
                return self._hang_up()
            if fault == "torn":
                self.wfile.write(b"HTTP/1.1 500 Broken\r\nContent-Length: 100\r\n\r\n{")
                return self._hang_up()
            if isinstance(fault, int):
                fault = fault, 0
            if isinstance(fault, tuple):
                return self._send(fault[0], {"error": {"message": "scripted fault", "code": None}}, wait=fault[1])
            if self.fake.api_key and self.headers.get("Authorization") != f"Bearer {self.fake.api_key}":
                return self._send(401, {"error": {"message": "Incorrect API key provided"}})
            status, answer = self._answer(what.split(" ")[1].strip("/").split("/"), method, body)
            if fault == "lost":
                return self._hang_up()
            return self._send(status, answer)

    def _answer(self, path: list[str], method: str, body: bytes) -> tuple[int, Any]:
        fake = self.fake
        match method, *path:
            case "POST", "files":
                return 200, {"id": fake.keep(self._uploaded(body)), "object": "file"}
            case "GET", "files", name, "content" if name in fake.files:
                return 200, fake.files[name]
            case "POST", "batches":
                return 200, fake.order(json.loads(body))
            case "GET", "batches":
                rows = list(reversed(fake.batches.values()))
                after = self.path.partition("after=")[2].partition("&")[0]
                start = next((n + 1 for n, row in enumerate(rows) if row["id"] == after), 0)
                page = rows[start : start + 2]
                return 200, {"object": "list", "data": page, "has_more": start + 2 < len(rows)}
            case "GET", "batches", name if name in fake.batches:
                fake.step(fake.batches[name])
                return 200, fake.batches[name]
            case "POST", "batches", name, "cancel" if name in fake.batches:
                fake.batches[name]["status"] = "cancelled"
                return 200, fake.batches[name]
        return 404, {"error": {"message": f"no route {self.path}"}}

    def _uploaded(self, body: bytes) -> bytes:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = {part.get_param("name", header="content-disposition"): part for part in message.iter_parts()}
        assert parts["purpose"].get_payload() == "batch"
        return bytes(parts["file"].get_payload(decode=True))

    def _send(self, status: int, answer: Any, *, wait: int = 0) -> None:
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        if wait:
            self.send_header("Retry-After", str(wait))
        self.end_headers()
        self.wfile.write(payload)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)
