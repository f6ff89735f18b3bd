"""A scriptable OpenAI-compatible server on loopback: `with FakeServer(reply=...) as server: server.base_url`.

`reply(body) -> dict` may hold: text, reasoning, reasoning_content, finish_reason, prompt_tokens, completion_tokens,
status, message, retry_after, latency, reset (close the connection without an answer), raw (the whole body, as text).
Without `reply` the answer depends on prompt and seed alone. A request is logged when it has been read
(`{"event": "request", "id", "time", "body"}`) and when its answer has left (`{"event": "answered", "id", "time",
"status"}`), one JSON line each, written without a buffer.
As a process: `python tests/fake_server.py --port 0 --log FILE --latency 0.05` prints the port it listens on.
"""

import argparse
import asyncio
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Reply = Callable[[dict[str, Any]], dict[str, Any]]


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """Eight to fifteen words of thought and a boxed number: depends on messages and seed, cut at `max_tokens` words."""
    seed = json.dumps([body["messages"], body.get("seed")], sort_keys=True).encode()
    digest = hashlib.sha256(seed).digest()
    words = ["first", "then", "so", "and", "carry", "the", "one", "sum"]
    thought = " ".join(words[byte % len(words)] for byte in digest[: 8 + digest[0] % 8])
    text = f"<think>\n{thought}\n</think>\n\nThe answer is \\boxed{{{digest[1] % 20}}}."
    pieces = text.split(" ")
    limit = body.get("max_tokens") or len(pieces)
    cut = len(pieces) > limit
    return {
        "text": " ".join(pieces[:limit]),
        "finish_reason": "length" if cut else "stop",
        "completion_tokens": min(limit, len(pieces)),
    }


class FakeServer:
    """Serves from a thread of its own. `in_flight` and `max_in_flight` count chat requests being answered."""

    def __init__(
        self,
        reply: Reply = answer,
        *,
        latency: float = 0.0,
        log: str | Path | None = None,
        models: Sequence[str] = ("fake",),
        models_status: int = 200,
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.reply, self.latency, self.models, self.models_status = reply, latency, list(models), models_status
        self.api_key, self.port = api_key, port
        self.log: list[dict[str, Any]] = []
        self.in_flight = self.max_in_flight = self._last_id = 0
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all chat requests so far, in order of arrival."""
        return [entry["body"] for entry in self.log if entry["event"] == "request"]

    def __enter__(self) -> "FakeServer":
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._file is not None:
            os.close(self._file)

    def stop(self) -> None:
        """Stop listening and break every connection; a second time does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def serve_forever(self) -> None:
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False where the connection is over."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = head[0].split(" ")[1]
        if self.api_key is not None and headers.get("authorization") != f"Bearer {self.api_key}":
            message = f"bad key {headers.get('authorization', '').removeprefix('Bearer ')}"
            await _send(writer, 401, {"error": {"message": message}})
        elif path == "/v1/models":
            rows = [{"id": name, "object": "model"} for name in self.models]
            await _send(writer, self.models_status, {"object": "list", "data": rows})
        elif path == "/v1/chat/completions":
            return await self._chat(json.loads(body), writer)
        else:
            await _send(writer, 404, {"error": {"message": f"no route {path}"}})
        return True

    async def _chat(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> bool:
        self._last_id += 1
        number = self._last_id
        self._write({"event": "request", "id": number, "time": time.time(), "body": body})
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            said = self.reply(body)
            await asyncio.sleep(said.get("latency", self.latency))
        finally:
            self.in_flight -= 1
        if said.get("reset"):
            writer.transport.abort()
            return False
        status = said.get("status", 200)
        content = said.get("raw") or (_chat_completion(body, said) if status == 200 else _error(said))
        await _send(writer, status, content, said.get("retry_after"))
        self._write({"event": "answered", "id": number, "time": time.time(), "status": status})
        return True

    def _write(self, entry: dict[str, Any]) -> None:
        self.log.append(entry)
        if self._file is not None:
            os.write(self._file, json.dumps(entry).encode() + b"\n")


def _chat_completion(body: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": said.get("text")}
    message |= {name: said[name] for name in ("reasoning", "reasoning_content") if name in said}
    prompt = said.get("prompt_tokens", sum(len(str(m["content"]).split()) for m in body["messages"]))
    completion = said.get("completion_tokens", len((said.get("text") or "").split()))
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": said.get("finish_reason", "stop")}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }


def _error(said: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"message": said.get("message", "scripted failure"), "type": "fake", "code": said["status"]}}


async def _send(
    writer: asyncio.StreamWriter, status: int, content: Any, retry_after: float | str | None = None
) -> None:
    payload = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    lines = [f"HTTP/1.1 {status} fake", "Content-Type: application/json", f"Content-Length: {len(payload)}"]
    if retry_after is not None:
        lines.append(f"Retry-After: {retry_after}")
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + payload)
    await writer.drain()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake OpenAI-compatible server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default=None)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--model", default="fake")
    arguments = parser.parse_args()
    server = FakeServer(latency=arguments.latency, log=arguments.log, port=arguments.port, models=[arguments.model])
    with server:
        print(server.port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
