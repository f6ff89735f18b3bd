"""Keep traces of problems that the teacher solves neither too seldom nor too often.

The rule of open-r1's pass-rate filter: the share of right answers among several samples of a problem lies in a band.
The ledger has those samples already, so nothing is sampled for it. A few samples say little: of 4, all right, the 95 %
interval (Wilson 1927) goes from 0.51 to 1.00. `sure` therefore drops a problem only where that whole interval is
outside of the band.
Reasons: `too_hard`, `too_easy`, `unjudged` (no sample of the problem was judged right or wrong). Noted: how many were
right of how many, and the interval.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from tracegen.filters import Note, unnoted
from tracegen.records import Trace, UsageError
from tracegen.stats import Estimate, mean

DECIDES = "problem"


def difficulty(
    traces: Iterable[Trace],
    *,
    siblings: Callable[[Trace], Sequence[Trace]],
    note: Note = unnoted,
    min_pass_rate: float = 0.0,
    max_pass_rate: float = 1.0,
    sure: bool = False,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose problem has a pass rate outside of [min_pass_rate, max_pass_rate], both within 0 and 1.

    The rate is right / (right + wrong) over all samples that this teacher drew of the problem, those that an earlier
    filter dropped included; what nobody could judge does not count. With `sure`, its 95 % interval must be outside.
    """
    if not 0.0 <= min_pass_rate <= max_pass_rate <= 1.0:
        raise UsageError(
            f"filter 'difficulty': min_pass_rate is {min_pass_rate} and max_pass_rate is {max_pass_rate}; "
            "they go from 0 to 1, the smaller one first."
        )
    for _, together in groupby(traces, key=lambda trace: (trace.problem_id, trace.teacher)):
        rate: Estimate | None = None
        for n, trace in enumerate(together):
            if n == 0:
                outcomes = [sibling.verdict.outcome for sibling in siblings(trace) if sibling.verdict]
                judged = [float(outcome == "right") for outcome in outcomes if outcome in ("right", "wrong")]
                rate = mean(judged) if judged else None
            if rate is None:
                yield trace, "unjudged"
                continue
            reason = None
            if (rate.high if sure else rate.value) < min_pass_rate:
                reason = "too_hard"
            elif (rate.low if sure else rate.value) > max_pass_rate:
                reason = "too_easy"
            if reason:
                interval = [round(rate.low, 3), round(rate.high, 3)]
                note(trace, {"right": int(sum(judged)), "judged": len(judged), "interval": interval})
            yield trace, reason
