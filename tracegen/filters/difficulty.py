"""Keep traces of problems that the teacher solves neither too seldom nor too often.

The rule of open-r1's pass-rate filter: the share of right answers among several samples of a problem lies in a band.
Reasons: `too_hard`, `too_easy`, `unjudged` (no sample of the problem was judged right or wrong).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tracegen.records import Trace, UsageError


def difficulty(
    traces: Iterable[Trace],
    *,
    siblings: Callable[[Trace], Sequence[Trace]],
    min_pass_rate: float = 0.0,
    max_pass_rate: float = 1.0,
) -> Iterator[tuple[Trace, str | None]]:
    """Drop a trace whose problem has a pass rate outside of [min_pass_rate, max_pass_rate], both within 0 and 1.

    The rate is right / (right + wrong) over all samples that this teacher drew of the problem, those that an earlier
    filter dropped included; what nobody could judge does not count.
    """
    if not 0.0 <= min_pass_rate <= max_pass_rate <= 1.0:
        raise UsageError(
            f"filter 'difficulty': min_pass_rate is {min_pass_rate} and max_pass_rate is {max_pass_rate}; "
            "they go from 0 to 1, the smaller one first."
        )
    for trace in traces:
        outcomes = [sibling.verdict.outcome for sibling in siblings(trace) if sibling.verdict]
        right, wrong = outcomes.count("right"), outcomes.count("wrong")
        if not right + wrong:
            yield trace, "unjudged"
        elif right < min_pass_rate * (right + wrong):
            yield trace, "too_hard"
        elif right > max_pass_rate * (right + wrong):
            yield trace, "too_easy"
        else:
            yield trace, None
