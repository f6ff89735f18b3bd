"""The funnel: counts add up, nothing disappears, a filter that breaks its contract is caught."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen import curate as module
from tracegen.curate import FunnelRow, bind_filter, check_filters, curate, funnel_json
from tracegen.dropped import COLUMNS, REASONS, Dropped
from tracegen.fates import Fate
from tracegen.records import Problem, Trace, TracegenError, UsageError, Verdict, asdict

PROBLEMS = {name: Problem(name, f"What is {name} + 1?") for name in "abc"}


def make(number: int, *, problem: str = "a", teacher: str = "ours", outcome: Any = "right", text: str = "") -> Trace:
    prompt = ({"role": "user", "content": "?"},)
    response = text or str(number)
    verdict = Verdict(outcome) if outcome else None
    return Trace(f"k{number}", problem, teacher, number, prompt, "r", response, "complete", "stop", 9, verdict)


def run(traces: Iterable[Trace], filters: dict[str, Any], dropped: Path) -> tuple[list[Trace], list[FunnelRow]]:
    """What is kept, and the funnel; what is dropped is written down."""
    kept: list[Trace] = []
    with Dropped(dropped, filters) as files:

        def told(fate: Fate) -> None:
            if fate.drop:
                files.add(fate.trace, fate.drop)
            else:
                kept.append(fate.trace)

        funnel = curate(map(Fate, traces), filters=filters, told=told, problems=PROBLEMS, tokenizer=None, benchmarks={})
    return kept, funnel


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def own(tmp_path: Path, body: str, options: str = "letter='q'") -> str:
    path = tmp_path / "own filters.py"
    path.write_text(f"def x(traces, *, {options}):\n{body}", encoding="utf-8")
    return f"{path}:x"


def test_a_funnel_by_hand(tmp_path: Path) -> None:
    traces = [
        make(0),
        make(1, outcome="wrong"),
        make(2, outcome=None),
        make(3, text="0"),
        make(4, problem="b", outcome="wrong"),
        make(5, text="9 " * 90),
    ]
    kept, funnel = run(traces, {"correct": None, "repetition": {}, "dedup": {}}, tmp_path)
    assert kept == [traces[0]]
    assert funnel == [
        FunnelRow("correct", 6, 3, {"wrong": 2, "unjudged": 1}),
        FunnelRow("repetition", 3, 2, {"loop": 1}),
        FunnelRow("dedup", 2, 1, {"duplicate": 1}),
    ]
    assert [(row["key"], row["reason"]) for row in rows(tmp_path / "correct.jsonl")] == [
        ("k1", "wrong"),
        ("k2", "unjudged"),
        ("k4", "wrong"),
    ]
    assert [row["filter"] for row in rows(tmp_path / "dedup.jsonl")] == ["dedup"]
    saved = funnel_json(funnel, len(traces))
    assert json.loads(json.dumps(saved)) == saved
    assert (saved["traces"], saved["kept"]) == (6, 1)


def test_a_dropped_row_is_the_whole_trace(tmp_path: Path) -> None:
    trace = make(0, outcome="wrong", text='half a pair \ud800, 思考\u2028\n"\\')
    run([trace], {"correct": {}}, tmp_path)
    [row] = [json.loads(line) for line in (tmp_path / "correct.jsonl").read_text(encoding="utf-8").split("\n") if line]
    expected = json.loads(json.dumps(asdict(trace)))
    assert row == expected | {"filter": "correct", "reason": "wrong", "detail": None}


def test_each_drop_is_a_small_row_too(tmp_path: Path) -> None:
    note = "        note(t, {'text': '\\ud800 half', 'at': [1, t.sample]})\n"
    name = own(tmp_path, f"    for t in traces:\n{note}        yield t, 'seven'\n", "note")
    (tmp_path / "dropped").mkdir()
    traces = [make(0, outcome="wrong"), make(1, problem="b\udfff"), make(2, problem="c")]
    run(traces, {"correct": {}, name: {}}, tmp_path / "dropped")
    table = parquet.read_table(tmp_path / "dropped" / REASONS)
    assert table.column_names == list(COLUMNS)
    found = table.to_pylist()
    assert found[0] == {
        **{"key": "k0", "problem_id": "a", "teacher": "ours", "sample": 0},
        **{"filter": "correct", "reason": "wrong", "detail": None},
    }
    assert [(row["problem_id"], row["filter"], row["reason"]) for row in found[1:]] == [
        ("b?", name, "seven"),
        ("c", name, "seven"),
    ]
    assert [json.loads(row["detail"]) for row in found[1:]] == [
        {"text": "? half", "at": [1, 1]},
        {"text": "? half", "at": [1, 2]},
    ]


def test_no_filters_and_no_traces(tmp_path: Path) -> None:
    assert run([make(0)], {}, tmp_path) == ([make(0)], [])
    assert run([], {"correct": {}}, tmp_path) == ([], [FunnelRow("correct", 0, 0, {})])
    assert funnel_json([], 1) == {"rows": [], "traces": 1, "kept": 1}
    assert rows(tmp_path / "correct.jsonl") == []


def test_siblings_are_all_traces_of_problem_and_teacher(tmp_path: Path) -> None:
    group = [make(0), make(1, outcome="wrong")]
    others = [make(2, problem="b"), make(3, teacher="other")]
    # The wrong one is dropped first, and yet counts: the pass rate is a half, not one.
    kept, _ = run([*group, *others], {"correct": {}, "difficulty": {"max_pass_rate": 0.5}}, tmp_path)
    assert kept == [group[0]]


Decisions = list[list[str | None]]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(0, 12), st.integers(0, 4))
def test_whatever_the_filters_decide_the_counts_add_up(data: st.DataObject, count: int, depth: int) -> None:
    reason = st.none() | st.sampled_from(["x", "y"])
    decisions = data.draw(st.lists(st.lists(reason, min_size=count, max_size=count), min_size=depth, max_size=depth))
    ahead = data.draw(st.booleans())

    def decide(number: int) -> Callable[[Iterable[Trace]], Iterator[tuple[Trace, str | None]]]:
        def function(traces: Iterable[Trace]) -> Iterator[tuple[Trace, str | None]]:
            for trace in list(traces) if ahead else traces:
                yield trace, decisions[number][trace.sample]

        return function

    traces = [make(n, problem="abc"[n // 5]) for n in range(count)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "bind_filter", lambda name, options, **reserved: decide(int(name)))
        kept, funnel = run(traces, {str(n): {} for n in range(depth)}, Path(folder))
        lost = {
            row["key"]: (row["filter"], row["reason"])
            for n in range(depth)
            for row in rows(Path(folder) / f"{n}.jsonl")
        }
    edges = [count, *(row.after for row in funnel)]
    assert [row.before for row in funnel] == edges[:-1]
    assert edges[-1] == len(kept)
    assert all(row.before - sum(row.reasons.values()) == row.after for row in funnel)
    assert sorted([*lost, *(trace.key for trace in kept)]) == sorted(trace.key for trace in traces)
    for trace in traces:
        first = next(((str(n), d[trace.sample]) for n, d in enumerate(decisions) if d[trace.sample]), None)
        assert lost.get(trace.key) == first


SHELF: dict[str, Any] = {
    "correct": {},
    "repetition": {},
    "difficulty": {"min_pass_rate": 0.3, "max_pass_rate": 0.8},
    "dedup": {"keep": "shortest"},
    "diversity": {"per_problem": 2, "order": "longest"},
    "choose": {"by": "median"},
}
one_trace = st.tuples(
    st.sampled_from("abc"),
    st.sampled_from(["ours", "other"]),
    st.sampled_from(["right", "right", "wrong", "unverifiable", "error", None]),
    st.sampled_from(["1", "2", "one two", "9 " * 90]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(one_trace, max_size=14), st.permutations(list(SHELF)))
def test_with_filters_that_look_ahead_at_all_that_two_teachers_wrote(drawn: list[Any], order: list[str]) -> None:
    """Unjudged traces, problems and whole streams that come to nothing: every trace has one fate, told in order."""
    traces = [
        make(number, problem=problem, teacher=teacher, outcome=outcome, text=text)
        for number, (problem, teacher, outcome, text) in enumerate(sorted(drawn, key=lambda one: one[:2]))
    ]
    told: list[Fate] = []
    filters = {name: SHELF[name] for name in order}
    given: dict[str, Any] = {"problems": PROBLEMS, "tokenizer": None, "benchmarks": {}}
    funnel = curate(map(Fate, traces), filters=filters, told=told.append, **given)
    assert [fate.trace for fate in told] == traces
    left = traces
    for row in funnel:
        lost = [fate.trace for fate in told if fate.drop and fate.drop.filter == row.filter]
        assert (row.before, row.after) == (len(left), len(left) - len(lost))
        assert sum(row.reasons.values()) == len(lost)
        left = [trace for trace in left if trace not in lost]
    assert left == [fate.trace for fate in told if not fate.drop]


def test_a_filter_of_ones_own(tmp_path: Path) -> None:
    name = own(tmp_path, "    for t in traces:\n        yield t, letter if letter in t.response else None\n")
    kept, [row] = run([make(0), make(7)], {name: {"letter": "7"}}, tmp_path)
    assert (kept, row.reasons) == ([make(0)], {"7": 1})
    [file] = tmp_path.glob("*.jsonl")
    assert file.name.endswith("own_filters.py_x.jsonl")


def test_filters_of_like_names_lose_no_drop_to_each_other(tmp_path: Path) -> None:
    body = "    for t in traces:\n        note(t, {'seen': {1}})\n        yield t, why if t.sample == at else None\n"
    deep = tmp_path / ("deep/" + "x" * 240)
    deep.mkdir(parents=True)
    names = {}
    for at, file in enumerate((tmp_path / "my own.py", tmp_path / "my_own.py", deep / "my.py")):
        file.write_text(f"def x(traces, *, note, why, at):\n{body}")
        names[f"{file}:x"] = {"why": f"reason {at}", "at": at}
    (tmp_path / "dropped").mkdir()
    kept, _ = run([make(n) for n in range(4)], names, tmp_path / "dropped")
    assert [trace.sample for trace in kept] == [3]
    files = list((tmp_path / "dropped").glob("*.jsonl"))
    found = sorted((row["sample"], row["filter"], row["reason"], row["detail"]) for path in files for row in rows(path))
    assert found == [(at, name, options["why"], {"seen": "{1}"}) for at, (name, options) in enumerate(names.items())]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    yield from [(t, None) for t in traces][1:]\n", "was not the next one"),
        ("    yield from [(t, None) for t in traces][:1]\n", "ended with 1 traces not yielded"),
        ("    yield from [(t, None) for t in traces][::-1]\n", "was not the next one"),
        ("    for t in traces:\n        yield from [(t, None)] * 2\n", "was not the next one"),
        ("    for t in traces:\n        yield t, True\n", "gave True as a reason"),
        ("    for t in traces:\n        yield t, ''\n", "gave '' as a reason"),
        ("    yield from ()\n", "ended with 2 traces not yielded"),
        ("    pass\n", "ended with 2 traces not yielded"),
        ("    yield from traces\n", "yielded a Trace, no pair; a filter yields every trace exactly once"),
        ("    return [t for t in traces if t]\n", "yielded a Trace, no pair"),
    ],
)
def test_a_filter_that_breaks_its_contract(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(TracegenError, match=message):
        run([make(0), make(1)], {own(tmp_path, body): {}}, tmp_path)


def test_siblings_are_there_until_their_problem_is_through(tmp_path: Path) -> None:
    late = "        yield t, None\n        seen.append(t)\n        siblings(seen[0])\n"
    body = f"    seen = []\n    for t in traces:\n{late}"
    with pytest.raises(TracegenError, match="siblings of k0, whose problem is through; ask before it is yielded"):
        run([make(0), make(1, problem="b")], {own(tmp_path, body, "siblings"): {}}, tmp_path)


def test_the_users_mistakes_are_found_before_a_trace_is_read(tmp_path: Path) -> None:
    def unread() -> Iterator[Trace]:
        pytest.fail("a trace was read")
        yield

    with pytest.raises(UsageError, match="filter 'length' has no option 'max_token'; it takes min_tokens, max_tokens"):
        run(unread(), {"correct": {}, "length": {"max_token": 5}}, tmp_path)
    with pytest.raises(UsageError, match="there is no filter 'lenght'; the filters are choose, correct, "):
        bind_filter("lenght", {})
    with pytest.raises(UsageError, match="and max_pass_rate is "):
        check_filters({"correct": {}, "difficulty": {"min_pass_rate": 0.9, "max_pass_rate": 0.1}})


def test_all_our_filters_pass_the_check() -> None:
    check_filters({name: {} for name in ("wellformed", "length", "repetition", "difficulty", "correct", "dedup")})
    check_filters({"decontaminate": None})
