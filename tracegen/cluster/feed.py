"""How rows get into a Ray Data pipeline that runs already: an actor holds them, and the pipeline's source pulls.

Ray Data knows its inputs before it starts; a run that decides what to ask next while it goes on does not. So the one
read task of each pipeline asks the `Feed` again and again, and yields every row as a block of its own: a row waits for
no other row, and its answer leaves as soon as it is there.
Feed and sources keep to the driver's node, so that only the loss of that node loses them.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tracegen.cluster.session import unanswered

if TYPE_CHECKING:
    from ray.actor import ActorHandle
    from ray.data import Dataset

__all__ = ["Feed", "Feeder", "Row", "here", "pulled"]

Row = dict[str, Any]
Taken = tuple[list[tuple[str, int]], set[str]]
KEEPALIVE = 10.0
"""Seconds after which a pipeline that waits for rows is told that there are none yet."""
PATIENCE = 60.0
"""Seconds that the cluster may take to take rows over."""
AT_ONCE = 16
"""Rows that a pipeline takes at a time, so that several that wait share what there is."""


class Feed:
    """Rows for several pipelines, each taking more only while fewer than its `seats` are unanswered."""

    def __init__(self) -> None:
        self._rows: deque[tuple[int, Row]] = deque()
        self._unanswered: Counter[str] = Counter()
        self._taken: list[tuple[str, int]] = []
        self._ended: set[str] = set()
        self._ready: set[str] = set()
        self._news = asyncio.Condition()

    async def take(self, stream: str, seats: int) -> list[Row] | None:
        """Some rows for this pipeline; none yet; or None: it has ended."""

        def something() -> bool:
            return stream in self._ended or bool(self._rows and self._unanswered[stream] < seats)

        self._ready.add(stream)
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(something), KEEPALIVE)
            except TimeoutError:
                return []
            if stream in self._ended:
                return None
            taken = [
                self._rows.popleft() for _ in range(min(AT_ONCE, len(self._rows), seats - self._unanswered[stream]))
            ]
            self._unanswered[stream] += len(taken)
            self._taken += [(stream, number) for number, _ in taken]
            return [row for _, row in taken]

    async def exchange(self, rows: list[tuple[int, Row]], answered: dict[str, int], ended: Iterable[str]) -> Taken:
        """Further rows by number, how many each pipeline has answered, and pipelines that get no more.

        Returns which pipeline has taken which row since the last call (of one that has ended, that is final), and the
        pipelines that have asked for rows at all: their replicas are ready.
        """
        async with self._news:
            self._rows.extend(rows)
            self._unanswered.subtract(answered)
            self._ended.update(ended)
            self._news.notify_all()
            taken, self._taken = self._taken, []
            return taken, self._ready - self._ended


class Feeder:
    """The driver's end of a feed, which keeps to the driver's node."""

    def __init__(self) -> None:
        import ray

        remote: Any = ray.remote(Feed)
        self.actor = remote.options(num_cpus=0, max_concurrency=1000, **here()).remote()

    def exchange(self, rows: list[tuple[int, Row]], answered: dict[str, int], ended: tuple[str, ...] = ()) -> Taken:
        """As the feed's; TracegenError where the cluster does not answer."""
        import ray

        try:
            taken: Taken = ray.get(self.actor.exchange.remote(rows, answered, ended), timeout=PATIENCE)
        except ray.exceptions.RayError as error:
            raise unanswered(error) from None
        return taken

    def close(self) -> None:
        import ray

        with suppress(ray.exceptions.RayError):
            ray.kill(self.actor)


def pulled(feed: "ActorHandle", stream: str, seats: int) -> "Dataset":
    """A data set without a known end: what the feed has for this pipeline, a block a row."""
    import ray
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    class Pulled(Datasource):  # type: ignore[misc]
        """One read task, which never ends by itself."""

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
            metadata = BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None)
            return [ReadTask(lambda: _blocks(feed, stream, seats), metadata)]

        def estimate_inmemory_data_size(self) -> None:
            return None

    return ray.data.read_datasource(
        Pulled(), override_num_blocks=1, ray_remote_args={"num_cpus": 0, "max_retries": 0, **here()}
    )


def _blocks(feed: "ActorHandle", stream: str, seats: int) -> Iterator[pa.Table]:
    import ray

    take: Any = feed.take
    while (rows := ray.get(take.remote(stream, seats), timeout=6 * KEEPALIVE)) is not None:
        yield from (pa.Table.from_pylist([row]) for row in rows)
    raise RuntimeError("this pipeline was told to end")


def here() -> dict[str, Any]:
    """Arguments that keep a task or an actor to this node."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)}
