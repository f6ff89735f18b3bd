"""One Ray Data pipeline around one replica: fed while it runs, ended at any time, and never restarted behind our back.

Ray Data binds a task to the actor that it was given to, lets actors restart for ever, and retries their tasks for ever.
So what was in flight on a node that is gone waits for an actor that waits for a node, and the pipeline stands still.
Here a replica has no second life (`max_restarts` 0): its loss ends its own pipeline at once, with an error, and whoever
holds the pipelines (`pool`) knows exactly which rows to give to another one.
"""

import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import ceil
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from tracegen.cluster.feed import Row, pulled
from tracegen.cluster.session import unanswered

if TYPE_CHECKING:
    from ray.actor import ActorHandle
    from ray.data import Dataset

__all__ = ["Arrival", "Stage", "Stream"]

FETCH = 60.0
"""Seconds that the rows of one block may take from their node to this one."""

Stage = Callable[["Dataset", Mapping[str, Any]], "Dataset"]
"""Appends the replica to the pipeline: an actor stage of one actor, with these arguments for `map_batches`."""


class Arrival(NamedTuple):
    """Rows that came out of a pipeline, or, with none, its end."""

    stream: "Stream"
    rows: list[Row]
    error: BaseException | None = None


class Stream:
    """A running pipeline. `column`: where the stage nests its rows.

    `bundles`: resources for each worker of a replica that has several, placed by `strategy`.
    """

    def __init__(
        self,
        feed: "ActorHandle",
        stage: Stage,
        arrivals: "SimpleQueue[Arrival]",
        *,
        seats: int,
        start_timeout: float,
        column: str = "",
        bundles: list[dict[str, float]] | None = None,
        strategy: str = "PACK",
    ) -> None:
        self.name = f"tracegen-{uuid.uuid4().hex[:12]}"
        self.ready = False
        """The replica works: it has taken rows."""
        self.answered = 0
        self.last = time.monotonic()
        """When it last took its first rows, or gave some back."""
        self._feed, self._stage, self._arrivals = feed, stage, arrivals
        self._seats, self._start_timeout = seats, start_timeout
        self._column, self._bundles, self._strategy = column, bundles, strategy
        self._group: Any = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._until_over, name=self.name, daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        """Whether the cluster still has the replica; ask only once it is `ready`. TracegenError if nobody knows."""
        import ray

        try:
            ray.get_actor(self.name)
        except ValueError:
            return False
        except ray.exceptions.RayError as error:
            raise unanswered(error) from None
        return True

    def end(self) -> None:
        """Kill the replica and with it the pipeline; what is in flight is lost."""
        import ray
        from ray.util import remove_placement_group

        self._ended.set()
        with suppress(ValueError, ray.exceptions.RayError):
            ray.kill(ray.get_actor(self.name))
        if self._group is not None:
            # Ray Data leaves placement groups behind until the program ends, and their GPUs would stay taken.
            with suppress(ValueError, ray.exceptions.RayError):
                remove_placement_group(self._group)

    def join(self, seconds: float) -> bool:
        """Whether the pipeline is over; waits for it."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _until_over(self) -> None:
        """Whatever ends the pipeline, whoever waits for it learns of it."""
        with suppress(Exception):
            try:
                self._run()
            finally:
                error = sys.exc_info()[1] or RuntimeError("the pipeline ended by itself")
                self._arrivals.put(Arrival(self, [], error))

    def _run(self) -> None:
        import ray
        from ray.data import DataContext
        from ray.data.block import BlockAccessor

        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        source = pulled(self._feed, self.name, self._seats)
        # A block may leave as soon as it holds a row: one that waited to be filled would hold up whoever asked.
        source.context.target_max_block_size = 1
        # The first operator starts when the replica does; a stream that is asked nothing for hours is no fault.
        source.context.wait_for_min_actors_s = ceil(self._start_timeout)
        source.context.execution_no_progress_timeout_s = -1
        pipeline = self._stage(
            source,
            {
                "batch_size": 1,
                "max_concurrency": self._seats,
                "max_restarts": 0,
                "max_task_retries": 0,
                "ray_remote_args_fn": self._placed,
            },
        )
        for bundle in pipeline.iter_internal_ref_bundles():
            for entry in bundle.blocks:
                block = BlockAccessor.for_block(ray.get(entry.ref, timeout=FETCH))
                rows: list[Any] = list(block.iter_rows(public_row_format=True))
                self._arrivals.put(Arrival(self, [row[self._column] for row in rows] if self._column else rows))

    def _placed(self) -> dict[str, Any]:
        """How the replica is created: under a name by which it can be killed, and where its workers have room."""
        from ray.util import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        if self._ended.is_set():
            raise RuntimeError("this pipeline was told to end")
        if not self._bundles:
            return {"name": self.name}
        self._group = placement_group(self._bundles, strategy=self._strategy)
        strategy = PlacementGroupSchedulingStrategy(self._group, placement_group_capture_child_tasks=True)
        return {"name": self.name, "scheduling_strategy": strategy}
