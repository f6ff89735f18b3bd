"""Servers that share the work: every request is tried until it is answered, or not worth another try.

A request goes to the server with the least of its limit in use. What a server refuses (429, 503, nobody there) waits
at the head of the line without holding a slot, and costs the request none of its tries; what breaks is tried again
after a jittered, growing wait. Where nothing but failures has come for `patience` seconds, all stops with one sentence.
All of it lives in one event loop, but for `appetite`.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from tracegen import telemetry
from tracegen.engines._http import Failure, Http
from tracegen.engines._refusals import ENOUGH, all_refused
from tracegen.engines._server import Job, Server
from tracegen.engines._watching import await_, tell, watch
from tracegen.progress import say
from tracegen.records import Completion, Request, TracegenError

__all__ = ["Pool"]

Deliver = Callable[[Request, Completion | None], None]
"""Takes a request's end; None where it was given up because everything stops."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 60.0
"""Seconds; the wait doubles from one try to the next (the openai package's first wait, and a minute's rate limit)."""
_SCOUTING = 1.0
"""Seconds for which a server's first request goes ahead alone: a refusal of what it asks comes at once."""
_PATIENT_REFUSALS = 20
"""A request that was refused more often, for longer than the patience, while others were answered, is given up."""


class Pool:
    """The servers, the line of requests, and the tries under way."""

    def __init__(
        self,
        servers: Sequence[Server],
        http: Http,
        deliver: Deliver,
        *,
        max_retries: int,
        patience: float,
        apart: bool = False,
    ) -> None:
        self.servers, self.http, self.deliver = list(servers), http, deliver
        self.max_retries, self.patience = max_retries, patience
        self.fatal: TracegenError | None = None
        self.ended = 0
        """Requests that were handed over or are resting; a resting one comes back."""
        self.line: deque[Job] = deque()
        self.who = ""
        """The teacher that asked last."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: dict[Job, asyncio.TimerHandle] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._watchers: list[asyncio.Task[None]] = []
        self._answers = self._refused_for_good = 0
        self._last = "its rate limit is used up"
        self._apart = apart or len(self.servers) > 1

    def appetite(self) -> int:
        """How many requests may be in line or in flight: what the servers take, and a little so that none waits."""
        taken = sum(server.flow.taken() for server in self.servers)
        return max(1, taken + taken // 8)

    @property
    def delivered(self) -> int:
        """Requests whose end was handed over."""
        return self.ended - len(self._resting)

    async def open(self) -> None:
        """Connect, and look at every server; TracegenError if none will do."""
        await self.http.open()
        found = await asyncio.gather(*(server.check() for server in self.servers), return_exceptions=True)
        problems = [problem for problem in found if isinstance(problem, BaseException)]
        if len(problems) == len(self.servers):
            raise problems[0]
        for problem in problems:
            if not isinstance(problem, TracegenError):
                raise problem
            say(f"{problem} The other servers begin without it.")
        checked = list(zip(self.servers, found, strict=True))
        self.servers = [server for server, problem in checked if problem is None]
        watched = [watch(self, server) for server in self.servers]
        absent = [await_(self, server) for server, problem in checked if problem is not None]
        self._watchers = [asyncio.create_task(one) for one in (*watched, *absent)]

    async def close(self) -> None:
        for watcher in (*self._watchers, *self._tasks):
            watcher.cancel()
        if self._alarm:
            self._alarm.cancel()
        for timer in self._resting.values():
            timer.cancel()
        await asyncio.gather(*self._watchers, *self._tasks, return_exceptions=True)
        await self.http.close()
        tell(self, *self.servers)

    def add(self, requests: Sequence[Request]) -> None:
        if self.fatal:
            for request in requests:
                self._end(Job(request), None)
            return
        self.line.extend(Job(request) for request in requests)
        self.pump()

    def stop(self, error: TracegenError, *, now: bool = False) -> None:
        """What is in flight is paid for and awaited, unless `now`; all else is given up."""
        self.fatal = self.fatal or error
        for job in (*self.line, *self._resting):
            self._end(job, None)
        for timer in self._resting.values():
            timer.cancel()
        self.ended -= len(self._resting)
        self.line.clear()
        self._resting.clear()
        for task in self._tasks if now else ():
            if task is not asyncio.current_task():
                task.cancel()

    def _end(self, job: Job, completion: Completion | None) -> None:
        self.ended += 1
        self.deliver(job.request, completion or job.broken_off())

    def _give_up(self, job: Job, sentence: str) -> None:
        left = job.broken_off()
        if left and job.avoid:
            job.avoid.quirks.tell("breaks off again and again; what had come is kept for a later launch to go on with")
        self._end(job, left or job.given_up(sentence))

    def pump(self) -> None:
        while self.line and (server := self._server_for(self.line[0])):
            job = self.line.popleft()
            self.who = job.request.teacher
            server.scouting_since = server.scouting_since or asyncio.get_running_loop().time()
            number = server.flow.send()
            task = asyncio.create_task(self._try(server, job, number))
            self._tasks.add(task)
            task.add_done_callback(partial(self._left, server, job, number))
        if self.line and self._alarm is None:
            waits = [wait for server in self.servers if (wait := server.flow.wake()) is not None]
            # Where a flow is shared, another engine's answer may make room without a word.
            seconds = max(0.01, min([*waits, 0.25]))
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        self.pump()

    def _server_for(self, job: Job) -> Server | None:
        """The one with the most room for its size; not again the one that has just failed, where there is another."""
        open_now = [server for server in self.servers if self._room(server) > 0]
        if len(open_now) > 1:
            open_now = [server for server in open_now if server is not job.avoid]
        return min(open_now, key=lambda server: server.flow.in_flight / server.flow.limit, default=None)

    def _room(self, server: Server) -> int:
        room = server.flow.room()
        if room > 0 and not server.scouted and server.scouting_since is not None:
            if asyncio.get_running_loop().time() - server.scouting_since < _SCOUTING:
                return 0
            server.scouted = True
        return room

    async def _try(self, server: Server, job: Job, number: int) -> None:
        flow = server.flow
        try:
            completion = await server.once(job)
        except Failure as failure:
            self._failed(server, job, number, failure)
        except TracegenError as error:
            flow.gone(number)
            self.stop(error)
            self._end(job, None)
        except Exception as error:  # noqa: BLE001
            flow.gone(number)
            sentence = server.settings.hide(f"{type(error).__name__}: {error}")
            self._end(job, job.given_up(sentence))
        else:
            server.scouted = True
            self._answers += 1
            flow.answered(number, completion.completion_tokens)
            self._end(job, completion)
        if not self.fatal:
            self.pump()

    def _left(self, server: Server, job: Job, number: int, task: "asyncio.Task[None]") -> None:
        """A try is over; one that was cancelled may not even have begun."""
        self._tasks.discard(task)
        if task.cancelled():
            server.flow.gone(number)
            if self.fatal:
                self._end(job, None)

    def _failed(self, server: Server, job: Job, number: int, failure: Failure) -> None:
        flow, sentence = server.flow, server.settings.hide(failure.sentence)
        job.avoid = server
        if failure.kind == "final":
            flow.gone(number)
            server.scouted = True
            self._refused_for_good += 1
            self._end(job, job.given_up(sentence))
            if not self._answers and self._refused_for_good >= ENOUGH:
                self.stop(all_refused(server.base_url, sentence))
            return
        gateway = failure.status == 502 and not flow.answered_since(number)
        if failure.kind == "broken" and not gateway:
            flow.failed(number)
            self._again(job, sentence)
        else:
            refused = failure.kind == "refused"
            if refused:
                telemetry.count(self.named(server), "throttled")
            flow.refused(number, failure.retry_after, fewer=refused)
            self._back_in_line(server, job, sentence)
        self._last = sentence
        self.break_circuit()

    def _again(self, job: Job, sentence: str) -> None:
        """Another try after a wait, unless the tries are used up."""
        job.tries += 1
        if self.fatal:
            self._end(job, None)
        elif job.tries > self.max_retries:
            self._give_up(job, f"{sentence}; given up after {job.tries} tries")
        else:
            telemetry.count(job.request.teacher, "retries")
            wait = min(_FIRST_WAIT * 2 ** (job.tries - 1), _LONGEST_WAIT) * random.uniform(0.5, 1)
            self.ended += 1
            self._resting[job] = asyncio.get_running_loop().call_later(wait, self._rested, job)

    def _rested(self, job: Job) -> None:
        del self._resting[job]
        self.ended -= 1
        self.line.append(job)
        self.pump()

    def _back_in_line(self, server: Server, job: Job, sentence: str) -> None:
        now = asyncio.get_running_loop().time()
        job.refusals += 1
        job.waiting_since = now if job.waiting_since is None else job.waiting_since
        if self.fatal:
            self._end(job, None)
        elif job.refusals > _PATIENT_REFUSALS and now - job.waiting_since > self.patience and not server.flow.stuck():
            self._give_up(job, f"{sentence}; given up after {now - job.waiting_since:.0f} s")
        else:
            self.line.appendleft(job)

    def break_circuit(self) -> None:
        """Stop where nothing but failures comes, or every server wants to be left alone for too long."""
        if self.fatal:
            return
        last, waits = self._last, self.asked_to_wait()
        where = " and ".join(server.base_url for server in self.servers)
        if waits:
            seconds = min(server.flow.asked_to_wait() for server in self.servers)
            sentence = f"{where}: asks to wait for {seconds:.0f} s (the last answer: {last})"
        elif all(server.flow.stuck() > self.patience for server in self.servers):
            seconds = min(server.flow.stuck() for server in self.servers)
            sentence = f"{where}: nothing but failures for {seconds:.0f} s (the last one: {last})"
        else:
            return
        again = "Everything answered is kept: start the same command again later, and it goes on."
        option = f"The option patience: {self.patience:g} says how long is waited."
        # Who asks for a wait goes on with what is in flight; where all fails, nothing of it is to be hoped for.
        self.stop(TracegenError(f"{sentence}. {again} {option}"), now=not waits)

    def named(self, server: Server) -> str:
        """Under which name a server is told to whoever watches."""
        return f"{self.who}@{server.base_url}" if self._apart else self.who

    def asked_to_wait(self) -> bool:
        """Whether every server wants to be left alone for longer than the patience lasts."""
        return all(server.flow.asked_to_wait() > self.patience for server in self.servers)
