"""Which problem deserves the next sample: the policy alone, without engines, ledgers or verifiers.

    schedule = Adaptive(len(problems), stop_after=2, cap=16)
    which = schedule.draw()           # the index of a problem, or None: nothing is worth asking before more is heard
    schedule.heard(which, right)      # its verdict
    schedule.waiting                  # after None: whether a verdict that is due may change that

A problem with `stop_after` right samples is solved. Of the others, the next sample goes where it is likeliest to be a
right one *that is still needed*: p · P(the samples in flight do not solve the problem without it). p is the mean of the
Beta posterior over the problem's pass rate; the prior has the teacher's pass rate so far as its mean and the weight of
two samples. A sample that is likelier than not to be superfluous waits for the verdicts that will tell.

That order would starve the hard problems of a run whose budget ends early, so every `1 / floor`-th draw goes round
those in turn whose pass rate is below the teacher's.

Shape: a few numbers per problem in arrays, and heap entries for problems that were tried and are unsolved.
"""

from array import array
from collections import deque
from heapq import heappop, heappush
from math import comb

__all__ = ["Adaptive"]

PRIOR_WEIGHT = 2.0
"""Samples that the prior is worth."""
NEEDED = 0.5
"""A sample is drawn while it is at least this likely to be needed."""


class Adaptive:
    """Draws until every problem is solved or has had `cap` samples."""

    def __init__(self, problems: int, *, stop_after: int, cap: int, floor: float = 0.0) -> None:
        self.stop_after, self.cap, self.floor = stop_after, cap, floor
        zeros = bytes(4 * problems)
        self.right, self.tried, self.flying = array("I", zeros), array("I", zeros), array("I", zeros)
        """Samples of each problem: right ones, those that were judged, those that are in flight."""
        self._helped = array("I", zeros)
        self._stamp = array("I", zeros)
        self._barred = bytearray(problems)
        self._fresh = 0
        self._likely: list[tuple[float, int, int]] = []
        self._turns: deque[int] = deque()
        self._turns_due = 0.0
        self._rights = self._judged = self._aloft = 0
        self.solved_problems = self.given_up = 0
        """Problems with their right samples, and those that have had all of theirs without."""

    @property
    def waiting(self) -> bool:
        """Whether a sample is in flight, whose verdict may change what is worth asking."""
        return self._aloft > 0

    def solved(self, which: int) -> bool:
        return self._lacking(which) <= 0

    def pass_rate(self, which: int) -> float:
        """The mean of the Beta posterior: the chance that this teacher's next sample of the problem is right."""
        return (PRIOR_WEIGHT * self._prior() + self.right[which]) / (PRIOR_WEIGHT + self.tried[which])

    def draw(self) -> int | None:
        """The problem to ask next; its sample is in flight until it is `heard` or `lost`."""
        self._turns_due = min(1.0, self._turns_due + self.floor)
        which = self._in_turn() if self._turns_due >= 1 else None
        if which is None:
            which = self._likeliest()
        if which is not None:
            self.took(which)
        return which

    def took(self, which: int) -> None:
        """A sample of this problem is in flight."""
        self.flying[which] += 1
        self._aloft += 1
        self._rank(which)

    def heard(self, which: int, right: bool, *, flew: bool = True) -> None:
        """The verdict on a sample that was in flight, or (`flew=False`) of an earlier launch."""
        self.flying[which] -= flew
        self._aloft -= flew
        if self.tried[which] == 0:
            self._turns.append(which)
        self.tried[which] += 1
        self.right[which] += right
        self.solved_problems += right and self._lacking(which) == 0
        self._judged += 1
        self._rights += right
        self.given_up += self.tried[which] == self.cap and self._lacking(which) > 0
        self._rank(which)

    def lost(self, which: int) -> None:
        """A sample in flight will have no verdict; it is not drawn again."""
        self.heard(which, False)

    def helped(self, which: int) -> None:
        """Another teacher has a right sample of this problem."""
        self._helped[which] += 1
        self.solved_problems += self._lacking(which) == 0
        self._rank(which)

    def bar(self, which: int, *, drawn: bool = False) -> None:
        """This problem has no more samples (which shows when it was `drawn`), or is not this teacher's."""
        self._barred[which] = 1
        self._stamp[which] += 1
        self.given_up += drawn
        self.flying[which] -= drawn
        self._aloft -= drawn

    def _prior(self) -> float:
        """The teacher's pass rate so far (Laplace's rule of succession)."""
        return (1 + self._rights) / (2 + self._judged)

    def _lacking(self, which: int) -> int:
        return self.stop_after - self.right[which] - self._helped[which]

    def _open(self, which: int) -> bool:
        asked = self.tried[which] + self.flying[which]
        return asked < self.cap and self._lacking(which) > 0 and not self._barred[which]

    def _worth(self, which: int) -> float:
        """The chance that a further sample is right and needed; 0 where it is likelier not to be needed."""
        rate, flying = self.pass_rate(which), self.flying[which]
        fewer = range(min(self._lacking(which), flying + 1))
        needed = sum(comb(flying, right) * rate**right * (1 - rate) ** (flying - right) for right in fewer)
        return rate * needed if needed >= NEEDED else 0.0

    def _rank(self, which: int) -> None:
        """What was known of the problem has changed; its older heap entries are void."""
        self._stamp[which] += 1
        if self._open(which) and (worth := self._worth(which)):
            heappush(self._likely, (-worth, which, self._stamp[which]))

    def _likeliest(self) -> int | None:
        likely = self._likely
        while likely and likely[0][2] != self._stamp[likely[0][1]]:
            heappop(likely)
        while self._fresh < len(self.tried) and (self._stamp[self._fresh] or self._barred[self._fresh]):
            self._fresh += 1
        fresh = self._fresh < len(self.tried)
        if likely and not (fresh and self.pass_rate(self._fresh) > -likely[0][0]):
            return heappop(likely)[1]
        return self._fresh if fresh else None

    def _in_turn(self) -> int | None:
        """The hard problem that has waited longest for its turn."""
        for _ in range(len(self._turns)):
            which = self._turns.popleft()
            if self._open(which):
                self._turns.append(which)
                if self.pass_rate(which) < self._prior() and self._worth(which):
                    self._turns_due = 0.0
                    return which
        return None
