"""The durable store of a run: every completion is on disk before anything looks at it.

A ledger is a folder of segments, `0001.jsonl`, `0002.jsonl` ...: one JSON object a line, one segment a launch, nothing
edited in place. A row holds the request's key, what was asked (`prompt`, `sampling`, `max_tokens`, `model`, `revision`)
and what came back (`text`, `reasoning`, `finish_reason`, tokens, or `error`).

A key may have many rows (failures, answers cut off at a smaller `max_tokens`), at most one finished. A torn last line,
left by a crash, is cut off at the next start: its completion was never acknowledged to anyone.
"""

import hashlib
import json
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

from tracegen.records import TracegenError, UsageError

Row = dict[str, Any]


def sample_key(
    *,
    model: Mapping[str, Any],
    messages: Sequence[Mapping[str, str]],
    sampling: Mapping[str, Any],
    seed: int,
    sample: int,
) -> str:
    """The identity of a sample: a hash of what determines its text.

    `model` identifies the weights and the chat template. Budgets (`max_tokens`, timeouts, concurrency), engine, URL and
    the teacher's name in the recipe stay out: changing them keeps what is paid for.
    """
    shape = {
        name: value for name, value in sampling.items() if name not in {"n", "max_tokens", "seed"} and value is not None
    }
    identity = {
        "model": model,
        "messages": [dict(m) for m in messages],
        "sampling": shape,
        "seed": seed,
        "sample": sample,
    }
    canonical = json.dumps(identity, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read(folder: Path) -> Iterator[Row]:
    """Every row of a ledger, oldest first. A torn last line is passed over; any other damage is an error."""
    for segment in segments(folder):
        with segment.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                try:
                    yield json.loads(line)
                except ValueError:
                    raise UsageError(f"{segment}, line {number} is damaged: not a JSON object.") from None


def best(folder: Path) -> Iterator[Row]:
    """One row per key: a finished answer beats a truncated one, that beats a failure; later beats earlier."""
    winners: dict[str, tuple[int, int]] = {}
    for position, row in enumerate(read(folder)):
        rank = _rank(row)
        if rank >= winners.get(row["key"], (-1, -1))[0]:
            winners[row["key"]] = (rank, position)
    chosen = {position for _, position in winners.values()}
    return (row for position, row in enumerate(read(folder)) if position in chosen)


def segments(folder: Path) -> list[Path]:
    """The ledger's files in the order in which they were written."""
    return sorted(folder.glob("*.jsonl"))


def finished(row: Row) -> bool:
    """Whether the model came to its own end: no failure, not cut off."""
    return row.get("error") is None and row.get("finish_reason") != "length"


def _rank(row: Row) -> int:
    if row.get("error") is not None:
        return 0
    return 2 if finished(row) else 1


class Ledger:
    """The one writer of a folder of segments (who may write is the run directory's lock, not decided here).

    `commit` is a group commit: a thread writes all rows that are waiting, then one fsync covers them all, and only then
    are they handed on. While the disk works, the engine goes on.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {folder}: {error.strerror}.") from None
        self.folder = folder
        self.repaired = sum(repair(segment) for segment in segments(folder))
        """Bytes of unfinished lines that a crash had left and this start cut off."""
        self._max_tokens: dict[str, float] = {}
        for row in read(folder):
            self._remember(row)
        self._segment: BinaryIO | None = None

    def has(self, key: str, max_tokens: int) -> bool:
        """Whether this sample needs no asking: finished, or cut off at no less than `max_tokens`."""
        return self._max_tokens.get(key, 0) >= max_tokens

    def commit(self, rows: Iterable[Row], *, wait: Callable[[], bool] = lambda: False) -> Iterator[Row]:
        """Append each row and yield it once an fsync has covered its line; what is already stored is passed over.

        While `wait()` holds, a row is yielded before the next is drawn: for whoever must see an answer to go on asking.
        """
        waiting: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        durable: queue.SimpleQueue[Row] = queue.SimpleQueue()
        with ThreadPoolExecutor(1, thread_name_prefix="ledger") as pool:
            writer = pool.submit(self._write, waiting, durable)
            try:
                for row in rows:
                    self._raise_if_failed(writer)
                    alone = wait() and not self.has(row["key"], row["max_tokens"])
                    waiting.put(row)
                    while alone and durable.empty() and not writer.done():
                        time.sleep(0.001)
                    # Whoever waits for this row would draw no next one.
                    if alone:
                        self._raise_if_failed(writer)
                    while not durable.empty():
                        yield durable.get()
            finally:
                waiting.put(None)
        self._raise_if_failed(writer)
        while not durable.empty():
            yield durable.get()

    def close(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, waiting: "queue.SimpleQueue[Row | None]", durable: "queue.SimpleQueue[Row]") -> None:
        more = True
        while more:
            group = [waiting.get()]
            while not waiting.empty():
                group.append(waiting.get())
            more = None not in group
            fresh = {
                row["key"]: row for row in group if row is not None and not self.has(row["key"], row["max_tokens"])
            }
            if fresh:
                self._append(list(fresh.values()))
            for row in fresh.values():
                durable.put(row)

    def _append(self, rows: Sequence[Row]) -> None:
        if self._segment is None:
            path = self.folder / f"{len(segments(self.folder)) + 1:04d}.jsonl"
            self._segment = path.open("xb", buffering=0)
            _sync_folder(self.folder)
        lines = memoryview(b"".join(map(_line, rows)))
        while lines:
            lines = lines[self._segment.write(lines) :]
        os.fsync(self._segment.fileno())
        for row in rows:
            self._remember(row)

    def _remember(self, row: Row) -> None:
        if row.get("error") is None:
            reach = float("inf") if finished(row) else row["max_tokens"]
            self._max_tokens[row["key"]] = max(reach, self._max_tokens.get(row["key"], 0))

    def _raise_if_failed(self, writer: "Future[None]") -> None:
        if not writer.done():
            return
        try:
            writer.result()
        except OSError as error:
            raise TracegenError(
                f"cannot write the ledger {self.folder}: {error.strerror}; everything before it is safe. "
                "Make room and start the same command again."
            ) from error


def _line(row: Row) -> bytes:
    text = json.dumps(row, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, as a model may write it
        return json.dumps(row).encode() + b"\n"


def repair(segment: Path) -> int:
    """Cut off a torn last line; returns how many bytes it had."""
    with segment.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)
            os.fsync(file.fileno())
        return size - end


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
