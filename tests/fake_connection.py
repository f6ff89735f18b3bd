"""One connection to the fake server: a request is read, answered after its latency, and the next one read."""

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

from fake_answers import channel, events, read_back, render, usage, whole_body

if TYPE_CHECKING:
    from fake_server import FakeServer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nauthorization: *([^\r]*)", re.IGNORECASE)


class Exchange(asyncio.Protocol):
    """One connection: a request, its answer, and the next one."""

    transport: asyncio.Transport

    def __init__(self, server: "FakeServer") -> None:
        self.server = server
        self._buffer = b""
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._asked: tuple[int, dict[str, Any], dict[str, Any], int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.connections.discard(self)
        if self._timer:
            self._timer.cancel()
        if self._asked:
            if self in self.server.waiting:
                self.server.waiting.remove(self)
            self._leave()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if self._busy or end < 0:
            return
        head = self._buffer[:end]
        length = _LENGTH.search(head)
        stop = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) >= stop:
            body, self._buffer = self._buffer[end + 4 : stop], self._buffer[stop:]
            self._busy = True
            self._route(head, body)

    def _route(self, head: bytes, body: bytes) -> None:
        server = self.server
        path = head.split(b" ", 2)[1].decode()
        if server.api_key is not None:
            key = _KEY.search(head)
            given = key[1].decode().removeprefix("Bearer ") if key else ""
            if given != server.api_key:
                return self._send(401, {"error": {"message": f"bad key {given}"}})
        if path in ("/v1/chat/completions", "/v1/completions"):
            return self._complete(body, json.loads(body))
        if path == "/v1/models":
            rows = [{"id": name, "object": "model"} for name in server.models]
            return self._send(server.models_status, {"object": "list", "data": rows})
        if server.vllm and path == "/health":
            return self._send(200, "")
        if server.vllm and path == "/metrics":
            return self._send(200, server.metrics())
        if server.tokenizes and path == "/tokenize":
            return self._send(200, self._tokenize(json.loads(body)))
        if server.tokenizes and path == "/detokenize":
            return self._send(200, {"prompt": server.vocabulary.decode(json.loads(body)["tokens"])})
        return self._send(404, {"error": {"message": f"no route {path}"}})

    def _tokenize(self, body: dict[str, Any]) -> dict[str, Any]:
        text = body["prompt"] if "prompt" in body else render(body["messages"], thinks=self.server.thinks)
        ids = self.server.vocabulary.encode(text)
        return {"count": len(ids), "max_model_len": 32768, "tokens": ids, "token_strs": None}

    def _complete(self, raw: bytes, body: dict[str, Any]) -> None:
        server, number = self.server, self.server.next_id()
        server.write("request", number, b'"body": ' + raw, {"body": body})
        server.in_flight += 1
        server.max_in_flight = max(server.max_in_flight, server.in_flight)
        said, prompt_tokens = self._said(body)
        self._asked = number, body, said, prompt_tokens
        if server.seats is not None and server.in_flight - len(server.waiting) > server.seats:
            server.waiting.append(self)
        else:
            self.start()

    def _said(self, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        server = self.server
        if server.most is not None and server.in_flight > server.most:
            return {"status": 429, "message": "too many requests", "latency": 0.0}, 0
        if refused := next((name for name in server.refuses if name in body), None):
            hint = " Use 'max_completion_tokens' instead." if refused == "max_tokens" else ""
            message = f"Unsupported parameter: '{refused}' is not supported with this model.{hint}"
            return {"status": 400, "message": message, "latency": 0.0}, 0
        closed = 0
        if "prompt" in body:
            prompt = body["prompt"]
            prompt = prompt if isinstance(prompt, str) else server.vocabulary.decode(prompt)
            messages, prefix = read_back(prompt)
        else:
            messages, prefix = body["messages"], "<think>\n" if server.thinks else ""
            final = messages[-1] if messages else {}
            if final.get("role") == "assistant" and server.vllm and body.get("continue_final_message"):
                messages, prefix = messages[:-1], final["content"]
            elif final.get("role") == "assistant":
                closed = 1
        said = server.reply(body | {"messages": messages} | ({"prefix": prefix} if prefix else {}))
        said = server.faults(said) if server.faults else said
        if "prompt" not in body:
            said = channel(said, server.reasoning)
        return said, sum(len(str(m["content"]).split()) for m in messages) + len(prefix.split()) + closed

    def start(self) -> None:
        """A seat is free."""
        assert self._asked is not None
        delay = self.server.delay(self._asked[2])
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(delay, self._finish) if delay else None
        if not delay:
            self._finish()

    def _finish(self) -> None:
        assert self._asked is not None
        number, body, said, prompt_tokens = self._asked
        self._leave()
        status = said.get("status", 200)
        if said.get("reset"):
            return self.transport.abort()
        counted = usage(body, said, prompt_tokens) if self.server.counts else None
        if status == 200 and body.get("stream") and "raw" not in said:
            return self._stream(number, events(body, said, counted), said)
        content = said.get("raw") or (whole_body(body, said, counted) if status == 200 else _error(said))
        self._send(status, content, said, number)
        return None

    def _leave(self) -> None:
        self._asked = None
        self.server.in_flight -= 1
        if self.server.waiting and self.server.seats is not None:
            self.server.waiting.popleft().start()

    def _stream(self, number: int, parts: list[bytes], said: dict[str, Any]) -> None:
        head = "HTTP/1.1 200 fake\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.transport.write(head.encode())
        cut = said.get("cut_after")
        parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts[:cut]]
        pace, loop = said.get("pace", 0.0), asyncio.get_running_loop()

        def end() -> None:
            if cut is not None:
                self.transport.close()
                return
            self.transport.write(b"0\r\n\r\n")
            self._sent(number, 200)

        if not pace:
            self.transport.write(b"".join(parts))
            return end()
        for place, part in enumerate(parts):
            loop.call_later(place * pace, self.transport.write, part)
        loop.call_later(len(parts) * pace, end)
        return None

    def _send(self, status: int, content: Any, said: dict[str, Any] | None = None, number: int | None = None) -> None:
        payload = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        headers = dict((said or {}).get("headers") or {})
        if (said or {}).get("retry_after") is not None:
            headers["Retry-After"] = (said or {})["retry_after"]
        lines = [f"HTTP/1.1 {status} fake", "Content-Type: application/json", f"Content-Length: {len(payload)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + payload)
        self._sent(number, status, garbled=bool((said or {}).get("garbled")))

    def _sent(self, number: int | None, status: int, *, garbled: bool = False) -> None:
        if number is not None:
            rest = b'"status": %d, "garbled": true' % status if garbled else b'"status": %d' % status
            self.server.write("answered", number, rest, {"status": status} | ({"garbled": True} if garbled else {}))
        self._busy = False
        self._next()


def _error(said: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"message": said.get("message", "scripted failure"), "type": "fake", "code": said["status"]}}
