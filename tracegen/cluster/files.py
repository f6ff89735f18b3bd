"""Files of this machine go through a function on the cluster, a few at a time, each group in a task of Ray Data.

Only this machine reads them, so the cluster needs no file system in common. A task that is lost with its node is done
again elsewhere, files and all. Answers come in any order; they are to be small, for this machine takes them all.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracegen.cluster.feed import here
from tracegen.cluster.session import hush

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["through"]

READERS = 2
"""Tasks that read at a time: a disk is faster than the work that waits for it."""


def through(groups: Sequence[Sequence[Path]], work: Callable[[list[bytes]], bytes]) -> Iterator[tuple[int, bytes]]:
    """The number of each group, and what `work` makes of its files; one that is not there is empty."""
    import ray
    from ray.data import DataContext, Datasource, ReadTask
    from ray.data.block import BlockMetadata

    class Files(Datasource):  # type: ignore[misc]
        """A read task for each group."""

        def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
            unknown = BlockMetadata(num_rows=1, size_bytes=None, exec_stats=None, input_files=None)
            return [ReadTask(partial(_read, number, group), unknown) for number, group in enumerate(groups)]

        def estimate_inmemory_data_size(self) -> None:
            return None

    hush()
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    read = ray.data.read_datasource(
        Files(), override_num_blocks=len(groups), concurrency=READERS, ray_remote_args={"num_cpus": 0, **here()}
    )
    for row in read.map_batches(partial(_answer, work), batch_size=1, batch_format="pyarrow").iter_rows():
        yield row["number"], row["answer"]


def _read(number: int, group: Sequence[Path]) -> "list[pa.Table]":
    import pyarrow as pa

    files = [path.read_bytes() if path.is_file() else b"" for path in group]
    rows = {"number": [number], "files": pa.array([files], pa.list_(pa.large_binary()))}
    return [pa.table(rows)]


def _answer(work: Callable[[list[bytes]], bytes], row: "pa.Table") -> "pa.Table":
    import pyarrow as pa

    [files] = row["files"].to_pylist()
    return pa.table({"number": row["number"], "answer": pa.array([work(files)], pa.large_binary())})
