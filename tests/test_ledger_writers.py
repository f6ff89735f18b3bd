"""Several processes write one ledger at once: no segment is shared, nothing is cut off that somebody writes."""

import os
import subprocess
import sys
from collections import Counter

import pytest
from test_ledger import row, write

from tracegen.ledger import Ledger, read, segments
from tracegen.ledger.check import check
from tracegen.ledger.compact import compact
from tracegen.ledger.ranks import Rank
from tracegen.ledger.segments import unwritten
from tracegen.records import UsageError

WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_ledger import row
from tracegen.ledger import Ledger, store
folder, writer, name = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store.SEGMENT_BYTES = 20_000
with Ledger(folder, writer=writer) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in ledger.commit(row(f"{name}-{number}", name * 100) for number in range(200)):
        pass
"""


@pytest.mark.parametrize("writers", [["w1", "w2", "w3", "w4"], ["same", "same", "same", "same"]])
def test_several_writers_at_once_keep_every_row_of_each(tmp_path, writers):
    write(tmp_path, [row("before")])
    started = []
    for number, writer in enumerate(writers):
        command = [sys.executable, "-c", WRITER, str(tmp_path), writer, str(number)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait(60) for process in started] == [0] * len(started)
    keys = Counter(found["key"] for found in read(tmp_path))
    assert keys == Counter(["before", *(f"{number}-{one}" for number in range(4) for one in range(200))])
    with Ledger(tmp_path) as ledger:
        assert ledger.found.ranks[Rank.FINISHED] == 801
    assert check(tmp_path).sound


def test_a_half_written_line_of_a_living_writer_is_passed_over_and_not_cut(tmp_path):
    write(tmp_path, [row("a")])
    for name in ("0002-w1.jsonl", "0003.jsonl"):
        (tmp_path / name).write_bytes(b'{"key": "b", "te')
    with unwritten(tmp_path / "0003.jsonl") as held:
        assert held is not None
        with Ledger(tmp_path) as ledger:
            assert (ledger.found.rows, ledger.found.torn) == (1, 0)
        assert [found["key"] for found in read(tmp_path)] == ["a"]
    with Ledger(tmp_path) as ledger:
        assert ledger.found.torn == 16, "nobody writes the owner's segment any more"
    assert [path.stat().st_size > 0 for path in segments(tmp_path)] == [True, True, False]


def test_what_another_writer_adds_is_read_as_it_grows(tmp_path):
    with Ledger(tmp_path, writer="w1") as other:
        with Ledger(tmp_path) as ledger:
            list(other.commit([row("a")]))
            assert [found["key"] for found in read(tmp_path)] == ["a"]
            list(ledger.commit([row("b")]))
            list(other.commit([row("c")]))
            assert [found["key"] for found in read(tmp_path)] == ["a", "c", "b"]


def test_a_segment_that_is_being_written_is_not_compacted(tmp_path):
    with Ledger(tmp_path, writer="w1") as other:
        list(other.commit([row("a")]))
        with pytest.raises(UsageError, match=r"0001-w1\.jsonl is being written by another process"):
            list(compact(tmp_path))
    assert list(compact(tmp_path)) == [(1, 1)]


def test_a_child_that_inherited_a_segment_does_not_keep_it(tmp_path):
    with Ledger(tmp_path) as ledger:
        list(ledger.commit([row("a")]))
        hold, release = os.pipe()
        if not (child := os.fork()):
            os.close(release)
            os.read(hold, 1)
            os._exit(0)
    assert list(compact(tmp_path)) == [(1, 1)]
    os.close(release)
    os.waitpid(child, 0)
    os.close(hold)


def test_a_writers_name_goes_into_a_files_name(tmp_path):
    with pytest.raises(UsageError, match="a writer's name holds letters"):
        Ledger(tmp_path, writer="../else")
