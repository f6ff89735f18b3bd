"""Which samples agree: right answers by the gold, wrong ones by their verifier, programs never."""

from dataclasses import replace
from pathlib import Path

from tracegen.records import Outcome, Problem, Trace, Verdict
from tracegen.votes import RIGHT, countable, votes

PROBLEM = Problem("p", "What is a half?", answer="1/2", verifier="math")


def trace(
    key: str,
    answer: str | None,
    outcome: Outcome = "wrong",
    verifier: str = "math",
    problem: str = "p",
    **conventions: float,
) -> Trace:
    verdict = Verdict(outcome, answer, key=key, verifier=verifier, conventions=conventions)
    return Trace(key, problem, "t", 0, (), "", "", "complete", "stop", 1, verdict)


def test_equal_answers_share_a_vote_whatever_their_form() -> None:
    found = votes(
        {"p": PROBLEM},
        [
            trace("a", r"\frac{1}{2}", "right"),
            trace("b", "0.5", "right"),
            trace("c", r"\frac{3}{4}"),
            trace("d", "0.75"),
            trace("e", "3/4"),
            trace("f", "7"),
            trace("g", None),
            trace("h", "0.75", "error"),
        ],
    )
    assert {key: found["p", key] for key in "abcdefg"} == {
        **dict.fromkeys("ab", RIGHT),
        **dict.fromkeys("cde", r"\frac{3}{4}"),
        "f": "7",
        "g": "",
    }
    assert ("p", "h") not in found


def test_a_trace_that_was_cut_off_has_no_vote() -> None:
    found = votes({"p": PROBLEM}, [replace(trace("a", "7"), status="truncated"), trace("b", "7")])
    assert found == {("p", "a"): "", ("p", "b"): "7"}


def test_problems_do_not_mix_and_conventions_hold() -> None:
    loose = Problem("q", "How long?", answer="1", verifier="math")
    near = [trace("a", "2.00"), trace("b", "2.01"), trace("c", "2", problem="q")]
    assert len(set(votes({"p": PROBLEM, "q": loose}, near).values())) == 3
    tolerant = [trace("a", "2.00", tolerance=0.01), trace("b", "2.01", tolerance=0.01)]
    assert set(votes({"p": PROBLEM}, tolerant).values()) == {"2.00"}


def test_what_only_a_model_can_judge_is_compared_as_text(tmp_path: Path) -> None:
    source = """
from tracegen.records import Problem, Verdict


def oracle(problem: Problem, response: str, *, ask: object) -> Verdict:
    return Verdict("right", response, "equal")
"""
    path = tmp_path / "mine.py"
    path.write_text(source)
    name = f"{path}:oracle"
    found = votes(
        {"p": PROBLEM},
        [trace("a", "0.75", verifier=name), trace("b", "3/4", verifier=name), trace("c", " 0.75", verifier=name)],
    )
    assert found == {("p", "a"): "0.75", ("p", "b"): "3/4", ("p", "c"): "0.75"}


def test_programs_are_no_votes() -> None:
    assert countable(PROBLEM)
    assert not countable(Problem("p", "Add.", verifier="code", tests=["assert add(1, 2) == 3"]))
