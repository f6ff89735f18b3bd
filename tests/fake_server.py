"""A scriptable OpenAI-compatible server on loopback: `with FakeServer(reply=...) as server: server.base_url`.

`reply(body) -> dict` may hold: text, reasoning, reasoning_content, finish_reason, prompt_tokens, completion_tokens,
status, message, retry_after, headers, latency, reset (close the connection without an answer), raw (the whole body, as
text), cut_after (break a stream off after so many events), pace (seconds between events).
Without `reply` the answer depends on prompt and seed alone. A request is logged when it has been read
(`{"event": "request", "id", "time", "body"}`) and when its answer has left (`{"event": "answered", "id", "time",
"status"}`, with `"garbled": true` where a fault made it no JSON), one JSON line each, written without a buffer.
It answers /v1/chat/completions and /v1/completions, streamed or not, and with `vllm=True` also /tokenize, /detokenize,
/metrics, and chats that go on with the last message (`continue_final_message`).
As a process: `python tests/fake_server.py --port 0 --log FILE --latency 0.05` prints the port it listens on; `--help`
lists the faults.
"""

import argparse
import asyncio
import os
import random
import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fake_answers import Faults, Reply, Vocabulary, answer, answers
from fake_connection import Exchange

__all__ = ["FakeServer", "Faults", "Reply", "answer", "answers"]


class FakeServer:
    """Serves from a thread of its own. `in_flight` and `max_in_flight` count chat requests being answered."""

    def __init__(
        self,
        reply: Reply = answer,
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        log: str | Path | None = None,
        keep: bool = True,
        models: Sequence[str] = ("fake",),
        models_status: int = 200,
        api_key: str | None = None,
        port: int = 0,
        faults: Faults | None = None,
        refuses: Collection[str] = (),
        reasoning: str = "inline",
        counts: bool = True,
        thinks: bool = False,
        vllm: bool = False,
        seats: int | None = None,
        most: int | None = None,
    ) -> None:
        self.reply, self.latency, self.jitter = reply, latency, jitter
        self.models, self.models_status, self.api_key, self.port = list(models), models_status, api_key, port
        self.keep, self.faults, self.refuses = keep, faults, refuses
        self.reasoning, self.counts, self.thinks, self.vllm = reasoning, counts, thinks, vllm
        self.seats, self.most, self.tokenizes = seats, most, vllm
        self.log: list[dict[str, Any]] = []
        self.waiting: deque[Exchange] = deque()
        self.vocabulary = Vocabulary()
        self.in_flight = self.max_in_flight = self._last_id = 0
        self._random = random.Random(1)
        self._file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all requests for an answer so far, in order of arrival."""
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
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.connections: set[Exchange] = set()
        server = await self._loop.create_server(lambda: Exchange(self), "127.0.0.1", self.port, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        if threading.current_thread() is threading.main_thread():
            print(self.port, flush=True)
        await self._stop.wait()
        server.close()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    def write(self, event: str, number: int, rest: bytes, entry: dict[str, Any]) -> None:
        """Log an event; `rest` is the same entry as bytes."""
        now = time.time()
        if self.keep:
            self.log.append({"event": event, "id": number, "time": now} | entry)
        if self._file is not None:
            os.write(self._file, b'{"event": "%b", "id": %d, "time": %r, %b}\n' % (event.encode(), number, now, rest))

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def delay(self, said: dict[str, Any]) -> float:
        if "latency" in said:
            return float(said["latency"])
        return self.latency + self._random.uniform(0, self.jitter) if self.jitter else self.latency

    def metrics(self) -> str:
        """What vLLM's own page says of its queue."""
        running = self.in_flight - len(self.waiting)
        labels = f'{{engine="0",model_name="{self.models[0]}"}}'
        values = {"num_requests_running": running, "num_requests_waiting": len(self.waiting)}
        values |= {"kv_cache_usage_perc": running / (self.seats or 256), "num_preemptions_total": 0}
        return "".join(f"# TYPE vllm:{name} gauge\nvllm:{name}{labels} {float(n)}\n" for name, n in values.items())


def _storm(text: str) -> tuple[float, float]:
    start, _, seconds = text.partition(":")
    return float(start), float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="A fake OpenAI-compatible server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default=None)
    parser.add_argument("--model", default="fake")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--jitter", type=float, default=0.0, help="up to so many seconds more, evenly distributed")
    parser.add_argument("--words", type=int, help="in every answer, which is a word a token")
    parser.add_argument("--pass-rate", type=float, help="of the answers to problems that ask for `a + b`")
    for name in ("errors", "resets", "malformed", "truncate", "cuts", "hang"):
        parser.add_argument(f"--{name}", type=float, default=0.0, help="share of the answers, 0 to 1")
    parser.add_argument("--storm", type=_storm, action="append", default=[], metavar="START:SECONDS")
    parser.add_argument("--storm-status", type=int, default=429)
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    parser.add_argument("--refuse", action="append", default=[], metavar="NAME", help="a parameter to answer with 400")
    parser.add_argument("--reasoning", default="inline", help="inline, untagged, reasoning, reasoning_content")
    parser.add_argument("--no-usage", action="store_true")
    parser.add_argument("--thinks", action="store_true", help="the chat template opens the thinking")
    parser.add_argument("--vllm", action="store_true", help="/tokenize, /metrics, continue_final_message")
    parser.add_argument("--seats", type=int, help="answer so many at once and let the others wait")
    parser.add_argument("--most", type=int, help="answer 429 beyond so many at once")
    given = parser.parse_args()
    if find_spec("uvloop"):
        import uvloop

        uvloop.install()
    shares = (given.errors, given.resets, given.malformed, given.truncate, given.cuts, given.hang)
    FakeServer(
        answer if given.words is None and given.pass_rate is None else answers(given.words or 18, given.pass_rate),
        latency=given.latency,
        jitter=given.jitter,
        log=given.log,
        keep=False,
        models=[given.model],
        port=given.port,
        faults=Faults(*shares, given.storm, given.storm_status, given.seed) if any(shares) or given.storm else None,
        refuses=given.refuse,
        reasoning=given.reasoning,
        counts=not given.no_usage,
        thinks=given.thinks,
        vllm=given.vllm,
        seats=given.seats,
        most=given.most,
    ).serve_forever()


if __name__ == "__main__":
    main()
