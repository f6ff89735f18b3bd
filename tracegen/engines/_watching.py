"""What goes on beside the requests of a pool: servers' queues are followed, absent servers looked for, figures told."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from tracegen import telemetry
from tracegen.engines._http import Failure
from tracegen.engines._metrics import read_metrics
from tracegen.engines._server import Server
from tracegen.progress import say
from tracegen.records import TracegenError

if TYPE_CHECKING:
    from tracegen.engines._pool import Pool

__all__ = ["await_", "tell", "watch"]

_POLL = 1.0
"""Seconds between two looks at a server's queue and at what is told to whoever watches."""
_ABSENT = 20.0
"""Seconds between two looks for a server that was not there at the start."""


async def watch(pool: "Pool", server: Server) -> None:
    """Follows the server's own metrics, where it has any, and tells whoever watches."""
    metrics = True
    while True:
        values: dict[str, float] = {}
        if metrics:
            try:
                status, page = await pool.http.get(f"{server.root}/metrics", timeout=10.0)
                queue = read_metrics(page.decode(errors="replace")) if status == 200 else None
                metrics = queue is not None
                if queue:
                    server.flow.queue(queue.waiting, queue.kv_cache, queue.preempted)
                    values = {"waiting": queue.waiting, "kv_cache": queue.kv_cache}
                    pool.pump()
            except Failure:
                pass
        tell(pool, server, **values)
        if pool.line and pool.asked_to_wait():
            # Nothing is sent meanwhile, so no failure would say so.
            pool.break_circuit()
        await asyncio.sleep(_POLL)


async def await_(pool: "Pool", server: Server) -> None:
    """A server that would not do at the start joins the others as soon as it does."""
    while server not in pool.servers:
        await asyncio.sleep(_ABSENT)
        with suppress(TracegenError):
            await server.check()
            say(f"the server at {server.base_url} is there now and takes its part.")
            pool.servers.append(server)
    pool.pump()
    await watch(pool, server)


def tell(pool: "Pool", *servers: Server, **values: float) -> None:
    """How the servers stand, to whoever watches."""
    for server in servers if pool.who else ():
        flow = server.flow
        telemetry.gauge(pool.named(server), in_flight=flow.in_flight, slots=flow.slots, **values)
