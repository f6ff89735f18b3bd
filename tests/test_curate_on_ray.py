"""What a cluster works out is what one machine does: the same fates, the same funnel, the same files."""

import random
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tracegen import curate_on_ray, sifting
from tracegen import partitions as module
from tracegen.cluster import files
from tracegen.cluster.session import connected
from tracegen.curate import FunnelRow, curate
from tracegen.curate_on_ray import Foreseen, foresee
from tracegen.dropped import Dropped
from tracegen.fates import Fate
from tracegen.partitions import Partitions
from tracegen.records import Problem, Trace, TracegenError, UsageError, Verdict

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")

OWN = '''
from itertools import groupby

DECIDES = {decides!r}


def every_third(traces, *, note):
    """Drops by itself; says which."""
    for trace in traces:
        note(trace, {{"number": trace.sample}})
        yield trace, "third" if trace.tokens % 3 == 0 else None


def longest(traces, *, siblings):
    """Drops the longest of a problem and teacher, if others are left of it."""
    for _, group in groupby(traces, key=lambda trace: trace.problem_id):
        group = list(group)
        for trace in group:
            most = max(len(other.reasoning) for other in siblings(trace))
            yield trace, "longest" if len(group) > 1 and len(trace.reasoning) == most else None


def seen(traces, *, teachers):
    """Keeps the first trace with each number of tokens, over the whole stream."""
    found = set()
    for trace in traces:
        assert trace.teacher in teachers
        yield trace, "seen" if trace.tokens in found else None
        found.add(trace.tokens)


def fails(traces):
    for trace in traces:
        raise ValueError("no such number")
        yield trace, None


def forgets(traces):
    for trace in list(traces)[1:]:
        yield trace, None
'''
WORDS = "the sum grows by two each time so that we check it once more and carry the one before it ends here"
TEACHERS = {"ours": {"model": "x"}, "other": {"model": "y"}}
PROBLEMS = {f"p{n}": Problem(f"p{n}", f"How many apples are {n} and {n + 3} apples together?") for n in range(40)}
LEAKED = Problem("b0", PROBLEMS["p7"].statement)


def made() -> list[Trace]:
    """In no order: right and wrong, whole and cut off, some equal and some nearly so, across problems too."""
    chance = random.Random(4)
    found: list[Trace] = []
    for number, (name, teacher) in enumerate((name, teacher) for name in PROBLEMS for teacher in TEACHERS):
        for sample in range(3):
            words = chance.choices(WORDS.split(), k=chance.randint(60, 120))
            if found and chance.random() < 0.3:
                words = chance.choice(found).reasoning.split()
                words[chance.randrange(len(words))] = "twin"
            text = " ".join(words) + chance.choice(["", " \ud800", " 思考"])
            if found and chance.random() < 0.1:
                text = found[-1].reasoning
            verdict = Verdict(chance.choice(["right", "right", "wrong"]), span=(1, 2))
            status = chance.choice(["complete"] * 9 + ["truncated"])
            prompt = ({"role": "user", "content": PROBLEMS[name].statement},)
            key = f"{number:04d}{sample}"
            found.append(Trace(key, name, teacher, sample, prompt, text, "5", status, "stop", len(words), verdict))
    chance.shuffle(found)
    return found


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def curated(on: str, folder: Path, filters: dict[str, Any]) -> tuple[list[Any], list[FunnelRow], dict[str, bytes]]:
    dropped, told = folder / f"dropped-{on}", list[Any]()
    dropped.mkdir(parents=True)
    askers: Any = [SimpleNamespace(name=name, most=3) for name in TEACHERS]
    with Partitions(folder / f".{on}", PROBLEMS, askers) as partitions, Dropped(dropped, filters) as files:
        partitions.write(made())

        def tell(fate: Fate) -> None:
            told.append((fate.trace, fate.drop))
            if fate.drop:
                files.add(fate.trace, fate.drop)

        given: dict[str, Any] = {
            "filters": filters,
            "asks": {},
            "problems": PROBLEMS,
            "benchmarks": {"ours": [LEAKED]},
            "tokenizer": None,
            "teachers": TEACHERS,
        }
        known = foresee(partitions, **given) if on == "ray" else Foreseen(partitions)
        assert bool(known.decided) is (on == "ray")
        funnel = curate(known.fates(), told=tell, foreseen=known.decided, sketched=known.sketched, **given)
    return told, funnel, written(dropped)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Filters of one's own, by name, in small partitions."""
    monkeypatch.setattr(module, "PARTITION", 30)
    monkeypatch.chdir(tmp_path)
    paths = {"trace": tmp_path / "trace.py", "problem": Path("problem.py"), None: Path("whole.py")}
    for decides, path in paths.items():
        path.write_text(OWN.format(decides=decides))
    names = {"every_third": "trace", "longest": "problem", "seen": None, "fails": "trace", "forgets": "problem"}
    return {name: f"{paths[decides]}:{name}" for name, decides in names.items()}


@pytest.fixture
def tasks_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run in this process, one after the other."""
    import ray

    def through(groups: list[list[Path]], work: Any) -> Iterator[tuple[int, bytes]]:
        for number in reversed(range(len(groups))):
            yield number, work([path.read_bytes() if path.is_file() else b"" for path in groups[number]])

    monkeypatch.setattr(files, "through", through)
    monkeypatch.setattr(curate_on_ray, "connected", nullcontext)
    monkeypatch.setattr(ray, "put", lambda value: value)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    monkeypatch.setattr(sifting, "_fetched", lambda value: value)


def orders(own: dict[str, str]) -> list[dict[str, Any]]:
    """Filters of all kinds, in one trip to the cluster and in several."""
    return [
        {
            **{"wellformed": {}, own["every_third"]: {}, "dedup": {"near": 0.7}, "decontaminate": {}},
            **{own["longest"]: {}, own["seen"]: {}, "correct": {}, "difficulty": {"max_pass_rate": 0.9}},
        },
        {"dedup": {}, own["longest"]: {}, "length": {"max_tokens": 110}, own["seen"]: {}},
        {own["every_third"]: {}, own["seen"]: {}, "dedup": {"near": 0.7}, "correct": {}},
    ]


def same(folder: Path, own: dict[str, str]) -> None:
    for number, filters in enumerate(orders(own)):
        local = curated("local", folder / str(number), filters)
        on_ray = curated("ray", folder / str(number), filters)
        assert on_ray == local
        assert len(local[0]) == len(PROBLEMS) * 6
        assert all(row.reasons for row in local[1] if row.filter != "difficulty"), local[1]
        assert {"duplicate"} <= {reason for row in local[1] for reason in row.reasons}


def test_fates_funnel_and_files_are_the_same_from_tasks(tmp_path: Path, own: dict[str, str], tasks_here: None) -> None:
    same(tmp_path, own)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_fates_funnel_and_files_are_the_same_on_ray(tmp_path: Path, own: dict[str, str]) -> None:
    with connected("local"):
        same(tmp_path, own)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_what_fails_there_is_said_in_one_sentence(tmp_path: Path, own: dict[str, str]) -> None:
    with connected("local"):
        with pytest.raises(TracegenError, match="a filter failed on the Ray cluster: ValueError: no such number"):
            curated("ray", tmp_path / "a", {own["fails"]: {}})
        with pytest.raises(TracegenError, match="yielded a trace that was not the next one"):
            curated("ray", tmp_path / "b", {own["forgets"]: {}})


def test_a_mistake_in_a_filter_of_ones_own_is_said(tmp_path: Path, own: dict[str, str], tasks_here: None) -> None:
    with pytest.raises(TracegenError, match="yielded a trace that was not the next one"):
        curated("ray", tmp_path / "b", {own["forgets"]: {}})
    (tmp_path / "odd.py").write_text('DECIDES = "batch"\n\ndef odd(traces):\n    yield from ()\n')
    with pytest.raises(UsageError, match="says that it DECIDES by 'batch'; it takes 'trace', 'problem' or None"):
        curated("ray", tmp_path / "c", {f"{tmp_path / 'odd.py'}:odd": {}})
    nothing = "    yield from ()\n\n"
    (tmp_path / "less.py").write_text(
        f"def less(traces, *, sketches=None):\n{nothing}def sketch(traces):\n    list(traces)\n{nothing}"
    )
    with pytest.raises(TracegenError, match="without a sketch; each of them has one"):
        curated("ray", tmp_path / "d", {f"{tmp_path / 'less.py'}:less": {}})


def test_without_a_cluster_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(TracegenError, match=r"no Ray cluster could be joined at 127.0.0.1:1: .*`ray start --head`"):
        curated("ray", tmp_path, {"correct": {}})
