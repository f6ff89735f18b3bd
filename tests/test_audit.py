"""The audit of a verifier: what it counts, what it lists, and the two commands that judge lines from outside."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracegen import cli
from tracegen.audit import audit
from tracegen.records import UsageError

PAIRS = [
    {"id": "same", "category": "letters", "gold": "A", "pred": "a", "expected": True},
    {"id": "other", "category": "letters", "gold": "A", "pred": "b", "expected": False},
    {"id": "form", "category": "numbers", "gold": "1/2", "pred": "0.5", "expected": True},
    {"id": "label", "category": "numbers", "gold": "2", "pred": "2", "expected": False},
    {
        "id": "void",
        "category": "numbers",
        "gold": "",
        "pred": "2",
        "expected": False,
        "expected_outcome": "unverifiable",
    },
    {
        "id": "claim",
        "category": "numbers",
        "gold": "3",
        "pred": "4",
        "expected": False,
        "expected_outcome": "unverifiable",
    },
]
"""For `exact`: four of six as expected, one false negative (form), one false positive (label), one other outcome."""


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    def write(*rows: Any) -> str:
        path = tmp_path / "pairs.jsonl"
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return str(path)

    return write


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tracegen", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    return run


def test_an_audit_counts_both_kinds_of_mistake(file: Callable[..., str]) -> None:
    found = audit(file(*PAIRS), verifier="exact", workers=1)
    assert found.accuracy.value == 0.5
    assert 0.15 < found.accuracy.low < 0.5 < found.accuracy.high < 0.85
    assert (found.count(expected=True), found.count(expected=False)) == (1, 1)
    assert [pair.id for pair in found.disagreements] == ["form", "label", "claim"]
    assert found.categories() == {"letters": (2, 2), "numbers": (4, 1)}
    form = found.disagreements[0]
    assert (form.outcome, form.reason, form.answer, form.expected) == ("wrong", "different", "0.5", True)
    assert found.slowest in found.pairs
    assert json.loads(json.dumps(found.as_dict()))["outcomes"] == {"right": 2, "wrong": 3, "unverifiable": 1}


def test_options_reach_the_verifier_and_bare_pairs_are_numbered(file: Callable[..., str]) -> None:
    path = file({"gold": "A", "pred": "a", "expected": True}, "", {"gold": "A", "pred": "A", "expected": True})
    assert audit(path, verifier="exact", workers=1).disagreements == []
    found = audit(path, verifier="exact", workers=1, options={"ignore_case": False})
    assert [pair.id for pair in found.disagreements] == ["1"]
    assert found.categories() == {"": (2, 1)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("not json", "line 2 is not JSON"),
        ({"gold": "1", "pred": "1"}, "line 2: `expected` must be true or false, not null"),
        ({"gold": "1", "pred": "1", "expected": "right"}, "line 2: `expected` must be true or false"),
        ({"gold": "1", "expected": True}, "pair 2: the row has no 'pred'"),
    ],
)
def test_a_bad_pair_is_named(file: Callable[..., str], row: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        audit(file(PAIRS[0], row), verifier="exact", workers=1)


def test_an_empty_or_missing_file_is_refused(file: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match="is empty; it needs lines such as"):
        audit(file())
    with pytest.raises(UsageError, match=r"no data file 'nowhere.jsonl'; tracegen comes with .*verifier_math.jsonl"):
        audit("nowhere.jsonl")


def test_the_command_lists_every_disagreement(file: Callable[..., str], call: Callable[..., Any]) -> None:
    path = file(*PAIRS)
    status, out, _ = call("audit", path, "--verifier", "exact")
    assert status == 0
    assert "exact agrees on 3 of 6 labelled pairs" in out
    assert "form: expected right, got wrong (different); gold '1/2', pred '0.5'" in out
    assert "claim: expected unverifiable, got wrong" in out
    assert not [line for line in out.splitlines() if line.startswith("other: ")]  # it may be the slowest pair
    assert "50.0 % (18.8 to 81.2)" in out
    status, out, _ = call("audit", path, "--verifier", "exact", "--json")
    assert (status, json.loads(out)["false_positives"]) == (0, 1)
    status, _, err = call("audit", path, "--verifier", "exact", "--min-accuracy", "0.97")
    assert (status, "the accuracy is 0.5000, below 0.97" in err) == (1, True)
    assert call("audit", path, "--verifier", "exact", "--min-accuracy", "0.5")[0] == 0


def test_the_shipped_set_is_the_default(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("tracegen.audit.audit", lambda file, **given: asked.append((file, given)) or exit(0))
    call("audit", "--options", "tolerance=1e-3", "--options", "units=strict")
    ((file, given),) = asked
    assert file == "verifier_math.jsonl"
    assert given["options"] == {"tolerance": 0.001, "units": "strict"}
    assert given["verifier"] == "math"


def test_an_option_that_is_none(call: Callable[..., Any], file: Callable[..., str]) -> None:
    status, _, err = call("audit", file(*PAIRS), "--verifier", "exact", "--options", "ignore_case")
    assert (status, "'ignore_case' is not an option; write name=value" in err) == (2, True)
    status, _, err = call("audit", file(*PAIRS), "--verifier", "exact", "--options", "case=true")
    assert (status, "verifier 'exact' has no option 'case'; it takes ignore_case" in err) == (2, True)


def grade(text: str | bytes, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracegen.cli", "grade", "--verifier", "exact", "--workers", "1", *arguments]
    data = text.encode() if isinstance(text, str) else text
    ran = subprocess.run(command, input=data, capture_output=True, timeout=60)
    return subprocess.CompletedProcess(command, ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def test_grade_keeps_the_order_and_passes_over_bad_lines() -> None:
    rows = [json.dumps({"n": n, "gold": "a", "pred": "a" if n % 2 else "b"}) for n in range(40)]
    ran = grade("\n".join([*rows[:20], "oops", *rows[20:]]) + "\n")
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0
    assert found.pop(20)["line"] == 21
    assert [row["n"] for row in found] == list(range(40))
    assert [row["outcome"] for row in found] == ["wrong", "right"] * 20
    assert {"outcome", "answer", "reason", "place", "verifier", "seconds"} <= set(found[0])
    assert "41 lines" in ran.stderr
    assert "20 right" in ran.stderr


def test_grade_outlives_every_kind_of_line() -> None:
    good = b'{"gold": "a", "pred": "a"}'
    odd = [
        b'{"gold": "caf\xe9", "pred": "a"}',
        b"\x00\xff\xfe",
        b'{"gold": "a", "pred": "' + rb"\ud800" + b'"}',
        b'{"gold": "a", "pred": "a", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"gold": "a", "pred": "a", "more": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"gold": "a", "pred": "a", "more": NaN}',
        b'{"gold": 1' + b"0" * 5000 + b', "pred": "a"}',
        b"[" * 5,
    ]
    ran = grade(b"\n".join(line for bad in odd for line in (bad, good)))
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(found) == 2 * len(odd)
    assert [row.get("outcome") for row in found[1::2]] == ["right"] * len(odd)
    assert [row["line"] for row in found[::2] if "line" in row] == [1, 3, 7, 9, 13, 15]
    assert found[4]["pred"] == "\ud800"


def test_grade_fails_only_where_nothing_can_be_read() -> None:
    assert grade("").returncode == 0
    ran = grade("oops\n[]\n")
    assert ran.returncode == 1
    assert "not one line could be read" in ran.stderr
    assert [json.loads(line)["line"] for line in ran.stdout.splitlines()] == [1, 2]
    assert grade("{}\n", "--options", "case=1").returncode == 2


def test_a_bar_on_the_terminal_leaves_stdout_alone(tmp_path: Path) -> None:
    """With stderr a terminal and stdout a file, the bar is drawn and the file holds every line."""
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text('{"gold": "a", "pred": "a"}\n' * 30)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tracegen.cli", "grade", "--verifier", "exact", "--workers", "1"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    with given.open() as lines, out.open("w") as judged:
        process = subprocess.Popen(command, stdin=lines, stdout=judged, stderr=theirs, env=environment)
        os.close(theirs)
        drawn = b""
        while chunk := read_terminal(ours):
            drawn += chunk
        assert process.wait(timeout=60) == 0
    assert len(out.read_text().splitlines()) == 30
    assert all(json.loads(line)["outcome"] == "right" for line in out.read_text().splitlines())
    assert b"30 right" in drawn
    assert b"outcome" not in drawn


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""
