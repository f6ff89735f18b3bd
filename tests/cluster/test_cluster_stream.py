"""A pipeline around one replica, as far as it can be looked at without a cluster."""

from typing import Any

import pytest

pytest.importorskip("ray")
import ray

from tracegen.cluster.stream import Stream
from tracegen.records import TracegenError


@pytest.mark.parametrize("error", [ray.exceptions.GetTimeoutError("60 s"), ray.exceptions.RaySystemError("gone")])
def test_a_cluster_that_does_not_answer_is_said_and_not_taken_for_a_lost_replica(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = [object(), ValueError("no such actor"), error]

    def get_actor(name: str) -> Any:
        assert name == "tracegen-x"
        if isinstance(found := said.pop(0), Exception):
            raise found
        return found

    monkeypatch.setattr(ray, "get_actor", get_actor)
    stream = Stream.__new__(Stream)
    stream.name = "tracegen-x"
    assert stream.alive()
    assert not stream.alive()
    with pytest.raises(TracegenError, match="the Ray cluster no longer answers"):
        stream.alive()
