"""Traces come back once each, whole, in the order of their problems, whatever the order in which they came."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tracegen import partitions as module
from tracegen.partitions import Partitions, unpacked
from tracegen.records import Trace, Verdict

TEACHERS: Any = [SimpleNamespace(name="second", most=2), SimpleNamespace(name="first", most=3)]
PROBLEMS = [f"p{n}" for n in (3, 1, 2, 10, 7)]


def make(problem: str, teacher: str, sample: int) -> Trace:
    verdict = Verdict("right", "5", span=(0, 3), conventions={"percent": "ignore"}) if sample else None
    prompt = ({"role": "user", "content": "?"},)
    text = f"half a pair \ud800 and 思考 {problem} " * 40
    return Trace(
        f"{problem}{teacher}{sample}", problem, teacher, sample, prompt, text, "5", "complete", None, 9, verdict
    )


ALL = [
    make(problem, teacher.name, sample)
    for problem in PROBLEMS
    for teacher in TEACHERS
    for sample in range(teacher.most)
]


@pytest.mark.parametrize("waiting", [1, 4000, 1 << 20])
def test_every_trace_once_in_order_as_it_was(tmp_path: Path, waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARTITION", 10)  # two problems
    monkeypatch.setattr(module, "WAITING", waiting)
    shuffled = random.Random(waiting).sample(ALL, len(ALL))
    with Partitions(tmp_path / "parts", PROBLEMS, TEACHERS) as partitions:
        partitions.write(shuffled)
        assert list(partitions.traces()) == ALL
        assert partitions.sizes == [10, 10, 5]
        assert len(partitions) == len(ALL)
        assert partitions.unjudged == len(PROBLEMS) * len(TEACHERS)
        for number in range(3):
            assert {trace.problem_id for trace in unpacked(partitions.packed(number))} == set(
                partitions.problems(number)
            )
    assert not (tmp_path / "parts").exists()


def test_problems_without_a_trace_leave_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARTITION", 5)
    some = [trace for trace in ALL if trace.problem_id in ("p1", "p7")]
    with Partitions(tmp_path, PROBLEMS, TEACHERS) as partitions:
        partitions.write(reversed(some))
        assert partitions.sizes == [0, 5, 0, 0, 5]
        assert list(partitions.traces()) == some
    with Partitions(tmp_path, [], TEACHERS) as partitions:
        partitions.write([])
        assert list(partitions.traces()) == []


def test_what_a_crash_left_is_gone(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "000000").write_bytes(b"torn")
    with Partitions(tmp_path / "parts", PROBLEMS, TEACHERS) as partitions:
        partitions.write(ALL[:3])
        assert list(partitions.traces()) == ALL[:3]


def test_the_hash_knows_traces_and_verdicts_but_no_order(tmp_path: Path) -> None:
    def hashed(traces: list[Trace]) -> str:
        with Partitions(tmp_path / "parts", PROBLEMS, TEACHERS) as partitions:
            partitions.write(traces)
            return partitions.fingerprint()

    whole = hashed(ALL)
    assert hashed(random.Random(1).sample(ALL, len(ALL))) == whole
    assert hashed(ALL[:-1]) != whole
    assert hashed([*ALL[:-1], make("p7", "first", 1)]) != whole
    gone_on = Trace(**{f: getattr(ALL[0], f) for f in Trace.__slots__} | {"reasoning": "longer"})
    assert hashed([gone_on, *ALL[1:]]) != whole
    judged = [trace for trace in ALL if trace.verdict]
    other = [Trace(**{**{f: getattr(t, f) for f in Trace.__slots__}, "verdict": Verdict("wrong")}) for t in judged]
    assert len({hashed(judged), hashed(other), hashed(judged[:1] + other[1:]), hashed(other[:1] + judged[1:])}) == 4
