"""Walls that are missing are said to be missing, and nothing runs without isolation unless it was asked for."""

import errno
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import tracegen
from tracegen import sandbox
from tracegen.records import UsageError
from tracegen.sandbox import Limits, Sandbox, bubblewrap
from tracegen.sandbox.attacks import SHORT
from tracegen.sandbox.inside import kernel, seccomp
from tracegen.sandbox.once import Alone
from tracegen.sandbox.server import ForkServer
from tracegen.sandbox.walls import look

ALLOW, KILL = seccomp.ALLOW, seccomp.KILL


def test_all_are_up_here(box: Sandbox) -> None:
    assert box.secure, dict(box.walls)
    assert len(box.walls) >= 15


def test_without_walls_it_does_not_call_itself_secure() -> None:
    with Sandbox(unsafe=True) as plain:
        assert not plain.secure
        found = look(lambda source, limits: plain.run(source, limits=limits))
    assert not found["own processes"]
    assert not found["system call filter"]
    assert not found["landlock"]


def test_no_bubblewrap_is_one_sentence_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bubblewrap, "found", lambda: None)
    with pytest.raises(UsageError, match=r"pip install 'tracegen\[code\]'.*unsafe: true"):
        Sandbox()


def test_another_system_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match="needs Linux, and this is darwin"):
        Sandbox()


def test_an_architecture_without_a_filter_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(UsageError, match="not of riscv64"):
        Sandbox()


def test_a_bubblewrap_that_refuses_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setattr(bubblewrap, "found", lambda: str(refusing))
    with pytest.raises(UsageError, match=r"cannot isolate programs on this machine .*uid map: Permission denied"):
        Sandbox()


def test_where_nothing_can_be_forked_every_program_gets_an_interpreter(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(ForkServer):
        def _launched(self) -> object:  # type: ignore[override]
            raise OSError("no namespaces further in")

    monkeypatch.setattr(sandbox, "ForkServer", Refusing)
    with Sandbox() as alone:
        assert alone.way == Alone.name
        missing = {wall for wall, up in alone.walls.items() if not up}
        # bubblewrap cannot count files, and maps one id only: the real root's, for whom processes are not counted.
        expected = {"sized /tmp and /dev/shm", *(["limit on processes"] if os.geteuid() == 0 else [])}
        assert missing == expected
        assert not alone.secure
        assert alone.run("open('/proc/kallsyms').read(1) and exit(0)\nexit(1)").code == 1
        assert alone.run("print(open('/proc/self/comm').read())").status == "exited"
        assert alone.run("import socket; socket.socket()").code == 1
        assert alone.run("open('/tmp/x', 'w').write('x' * 2**26)", limits=SHORT).code == 1
        assert alone.run("while True: pass", limits=Limits(seconds=0.5)).status == "timeout"
        assert alone.run("x = []\nwhile True: x.append(bytearray(2**20))", limits=SHORT).status == "memory"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else; otherwise all tests are this one")
def test_an_ordinary_user_has_the_same_walls(tmp_path: Path) -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    fits = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    if not shutil.which("setpriv") or not python or subprocess.run([python, "-c", fits]).returncode:
        pytest.skip("there is no setpriv, or no Python that an ordinary user can run")
    program = (
        "from tracegen.sandbox import Sandbox\n"
        "from tracegen.sandbox.selftest import ATTACKS, Host, attacked\n"
        "names = 'files/canary processes/fork_bomb memory/children kernel/mount network/tcp processes/memory'.split()\n"
        "with Sandbox() as box, Host(box) as host:\n"
        "    print(box.secure, box.way)\n"
        "    print([f for a in ATTACKS if a.name in names and not (f := attacked(box, host, a)).ok])\n"
    )
    found = bubblewrap.found()
    assert found is not None
    environment = {"PATH": str(Path(found).parent), "PYTHONPATH": str(Path(tracegen.__file__).parents[1])}
    user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    ended = subprocess.run(
        [*user, python, "-B", "-c", program],
        env={**environment, "PATH": environment["PATH"] + ":/usr/bin"},
        capture_output=True,
        text=True,
        cwd="/",
    )
    if "Permission denied" in ended.stderr or "No module named 'tracegen'" in ended.stderr:
        pytest.skip("this source tree lies where an ordinary user cannot read it")
    assert ended.stdout.splitlines() == [f"True {ForkServer.name}", "[]"], ended.stderr


def _verdict(machine: str, call: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter says of a call, by a small machine of our own that runs it."""
    words = struct.pack(
        "<iIQ6Q", call, architecture or seccomp.ARCHITECTURES[machine][0], 0, *(*arguments, *[0] * 6)[:6]
    )
    program = list(struct.iter_unpack("<HBBI", seccomp.assembled(machine)))
    at, held = 0, 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == seccomp.LOAD:
            held = struct.unpack_from("<I", words, value)[0]
        elif code == seccomp.RETURN:
            return value
        else:
            tests = {seccomp.EQUAL: held == value, seccomp.GREATER: held > value, seccomp.ANY_BIT: bool(held & value)}
            at += yes if tests[code] else no


@pytest.mark.parametrize(("machine", "column"), [("x86_64", 0), ("aarch64", 1)])
def test_the_filter_on_every_architecture(machine: str, column: int) -> None:
    eperm, enosys = seccomp.ERRNO | errno.EPERM, seccomp.ERRNO | errno.ENOSYS
    for table, error in ((seccomp.REFUSED, eperm), (seccomp.ABSENT, enosys)):
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                assert _verdict(machine, number) == error
    clone, pair, prctl = seccomp.CLONE[column], seccomp.SOCKETPAIR[column], seccomp.PRCTL[column]
    threads = 0x3D0F00
    assert _verdict(machine, clone, threads) == _verdict(machine, clone, 17) == ALLOW
    for flag in kernel.NAMESPACES.values():
        assert _verdict(machine, clone, flag | 17) == eperm
    assert (_verdict(machine, pair, 1), _verdict(machine, pair, 2)) == (ALLOW, eperm)
    assert [_verdict(machine, prctl, option) for option in (4, 22, 38)] == [eperm, eperm, ALLOW]
    for numbers in seccomp.OF_OTHERS.values():
        own, other = [0, 0], [0, 0]
        other[numbers[2]] = 5
        assert (_verdict(machine, numbers[column], *own), _verdict(machine, numbers[column], *other)) == (ALLOW, eperm)
    files = {"x86_64": (0, 1, 2, 257), "aarch64": (63, 64, 56, 57)}[machine]
    assert {_verdict(machine, call) for call in files} == {ALLOW}
    assert _verdict(machine, seccomp.NEWEST + 1) == enosys
    assert _verdict(machine, files[0], architecture=0x40000003) == KILL


def test_calls_of_x32_end_the_program() -> None:
    assert _verdict("x86_64", 0x40000000 | 39) == KILL


def test_the_command_says_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    from tracegen.sandbox.show import show

    assert show(test=False, as_json=True)
    assert '"secure": true' in capsys.readouterr().out
    assert show(test=False, as_json=False)
    assert "secure: every wall is up" in capsys.readouterr().out
