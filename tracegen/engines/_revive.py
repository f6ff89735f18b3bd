"""An engine that dies is built again; a request that kills it is found by halving the suspects.

    revived(requests, start)    `start(stream)` is one life: it yields answers, and raises `Died` when its engine dies

What was in flight at a death goes on in the next life, beside fresh requests. What is in flight at a second death is
suspect, and runs apart from everything else: half of the suspects at a time, the largest group first, halved again at
each further death. A suspect that is alone when the engine dies is yielded as an error, and the work goes on.
Limits: an engine that dies DEATHS times in a row without finishing any request is given up.
"""

import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator

from tracegen import telemetry
from tracegen.progress import say
from tracegen.records import Completion, Request, TracegenError

__all__ = ["Died", "revived"]

DEATHS = 8
"""As many as it takes to find that all four samples of one problem kill an engine on which nothing else runs."""
_LONGEST_PAUSE = 60.0

Answers = Generator[tuple[Request, Completion], None, None]


class Died(TracegenError):
    """The end of one life of an engine: "vLLM died: cause". Without `blame`, no request has to do with it."""

    def __init__(self, sentence: str, *, blame: bool = True) -> None:
        super().__init__(sentence)
        self.blame = blame


def revived(
    requests: Iterable[Request | None],
    start: Callable[[Iterator[Request | None]], Answers],
    *,
    pause: float = 0.0,
    sleep: Callable[[float], object] = time.sleep,
) -> Answers:
    """The answers of all lives, each request exactly once. TracegenError if one life is like the other.

    Before the third life in a row `pause` seconds pass, and before each further one twice as many: `sleep` waits.
    """
    stream = iter(requests)
    flying: dict[int, Request] = {}
    again: deque[Request] = deque()
    suspects: list[list[Request]] = []
    deaths: Counter[int] = Counter()
    in_a_row, who = 0, ""

    def handed(request: Request) -> Request:
        flying[id(request)] = request
        return request

    def feed() -> Iterator[Request | None]:
        while suspects:
            group = max(suspects, key=len)
            while group:
                yield handed(group.pop(0))
            suspects[:] = filter(None, suspects)
            while flying:
                yield None
        while again:
            yield handed(again.popleft())
        for request in stream:
            yield None if request is None else handed(request)

    while True:
        life = start(feed())
        try:
            for request, completion in life:
                who = request.teacher
                del flying[id(request)]
                deaths.pop(id(request), None)
                if completion.error is None:
                    in_a_row = 0
                yield request, completion
            return
        except Died as death:
            sentence, blame = str(death), death.blame
        finally:
            life.close()
        # What the dead engine's last frames held is a cycle of the exception's, and its memory is needed now.
        gc.collect()
        caught = list(flying.values())
        flying.clear()
        who = caught[0].teacher if caught else who
        in_a_row += 1
        telemetry.count(who, "restarts")
        if blame:
            deaths.update(map(id, caught))
        if in_a_row > DEATHS:
            raise TracegenError(f"{sentence}; given up after {in_a_row} deaths in a row, with no request finished")
        if blame and len(caught) == 1 and deaths[id(caught[0])] > 1:
            times = deaths.pop(id(caught[0]))
            say(f"{sentence}; problem {caught[0].problem_id} killed it {times} times and is set aside as an error.")
            text = f"this request killed the engine twice or more ({times} times), the last time alone: {sentence}"
            yield caught[0], Completion(error=text[:500])
        else:
            say(f"{sentence}; it is started again, and {len(caught)} unfinished requests go on.")
            suspected = [request for request in caught if deaths[id(request)] > 1]
            again.extendleft(request for request in reversed(caught) if deaths[id(request)] <= 1)
            half = -(-len(suspected) // 2)
            suspects += filter(None, (suspected[:half], suspected[half:]))
        if in_a_row > 1:
            sleep(min(pause * 2 ** (in_a_row - 2), _LONGEST_PAUSE))
