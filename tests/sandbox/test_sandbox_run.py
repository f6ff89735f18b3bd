"""How whole programs end, and what is told apart."""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracegen.records import UsageError
from tracegen.sandbox import GuestEnded, Limits, Sandbox
from tracegen.sandbox.inside.tree import usage


def test_output_input_and_exit_code(box: Sandbox) -> None:
    ended = box.run("import sys\nprint(input()[::-1])\nprint('!', file=sys.stderr)\nsys.exit(3)", stdin=b"abc\n")
    assert (ended.status, ended.code, ended.stdout, ended.stderr) == ("exited", 3, b"cba\n", b"!\n")


def test_input_larger_than_a_pipe_read_or_not(box: Sandbox) -> None:
    assert box.run("print(len(open(0).read()))", stdin=b"x" * 10**6).stdout == b"1000000\n"
    assert box.run("print('not read')", stdin=b"x" * 10**6).stdout == b"not read\n"


@pytest.mark.parametrize("source", ["1/0", "def f(:", "raise SystemExit('no')", "import nowhere", "'\ud800'"])
def test_a_failing_program_exits_with_1_and_says_why(box: Sandbox, source: str) -> None:
    ended = box.run(source)
    assert (ended.status, ended.code) == ("exited", 1)
    assert ended.stderr
    assert b"zygote" not in ended.stderr, "only the program's own frames are shown"


def test_cpu_time_decides_and_not_the_clock(box: Sandbox) -> None:
    assert box.run("import time; time.sleep(1.2)", limits=Limits(seconds=0.5)).status == "exited"
    ended = box.run("while True: pass", limits=Limits(seconds=0.5, wall=60))
    assert ended.status == "timeout"
    assert "CPU" in ended.detail


def test_the_clock_ends_what_uses_no_cpu(box: Sandbox) -> None:
    started = time.monotonic()
    ended = box.run("import time; time.sleep(60)", limits=Limits(wall=1))
    assert (ended.status, ended.code) == ("timeout", None)
    assert time.monotonic() - started < 10


def test_output_is_kept_up_to_its_limit(box: Sandbox) -> None:
    ended = box.run(
        "import sys\nprint('x' * 600)\nsys.stdout.flush()\nsys.stderr.write('y' * 600)", limits=Limits(output=1000)
    )
    assert ended.status == "output"
    assert len(ended.stdout + ended.stderr) <= 1000
    assert box.run("print('x' * 999)", limits=Limits(output=1000)).status == "exited"


def test_a_program_that_is_killed_by_a_signal_says_which(box: Sandbox) -> None:
    ended = box.run("import ctypes; ctypes.string_at(0)")
    assert (ended.status, ended.code) == ("signal", signal.SIGSEGV)


def test_every_program_draws_and_hashes_alike(box: Sandbox) -> None:
    source = "import random\nprint(random.random(), hash('word'), list({'a', 'b', 'c'}))"
    assert box.run(source).stdout == box.run(source).stdout


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_program_hears_its_signals_whatever_its_host_blocks(unsafe: bool) -> None:
    source = "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n    print(1)"
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with Sandbox(unsafe=unsafe) as own:
            ended = own.run(source)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert ended.stdout == b"1\n"


def test_nothing_stays_open_on_our_side(box: Sandbox) -> None:
    box.run("1")
    before = sorted(os.listdir("/proc/self/fd"))
    for source in ("print(1)", "1/0", "import os; os.close(1)"):
        box.run(source, stdin=b"x")
    box.run("while True: print('x' * 1000)", limits=Limits(output=1000))
    with box.start("import time; time.sleep(9)"):
        pass
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_dead_server_is_replaced_and_no_program_blamed(box: Sandbox) -> None:
    with Sandbox() as own:
        server = own._way._process  # type: ignore[union-attr]
        os.kill(server.pid, signal.SIGKILL)  # type: ignore[union-attr]
        ended = own.run("print('still')")
        assert (ended.status, ended.stdout) == ("exited", b"still\n")


def test_a_program_that_the_machine_lost_is_run_again(box: Sandbox) -> None:
    """The whole server dies under the first attempt; the second one finds the way to its end."""
    with Sandbox() as own:
        guest = own._launch("import time; time.sleep(60)", b"", Limits(), channel=False)
        os.kill(own._way._process.pid, signal.SIGKILL)  # type: ignore[union-attr]
        assert guest.wait().status == "infrastructure"
        assert own.run("print(1)").status == "exited"


def _numbers(pid: int) -> list[str]:
    """A process's number in every namespace that it is in, from ours to its own."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith("NSpid:"))


def test_a_program_that_was_killed_from_outside_has_not_failed(box: Sandbox) -> None:
    with box.start("import time; time.sleep(60)") as guest:
        time.sleep(0.2)
        (first,) = (pid for pid in usage(os.getpid(), itself=False).pids if _numbers(pid)[2:] == ["1"])
        os.kill(first, signal.SIGKILL)
        assert guest.wait().status == "infrastructure"


def test_modules_of_ours_are_there_and_run_once() -> None:
    modules = {"ours": "import os\nborn = os.getpid()", "theirs": "import ours\nname = __name__"}
    for unsafe in (False, True):
        with Sandbox(unsafe=unsafe, modules=modules) as own:
            ended = own.run("import ours, theirs\nprint(theirs.name, theirs.ours is ours)")
            assert ended.stdout == b"theirs True\n", ended.stderr


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a module in it, where programs have none of their own: a checkout may lie in /tmp."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        (Path(name) / "extra_words.py").write_text('WORD = "hello"\n')
        yield Path(name)


def test_packages_can_be_imported_and_not_be_changed(folder: Path) -> None:
    before = (folder / "extra_words.py").read_text()
    with Sandbox(packages=[folder]) as own:
        assert own.run("import extra_words; print(extra_words.WORD)").stdout == b"hello\n"
        assert own.run("import extra_words; open(extra_words.__file__, 'w')").code == 1
    assert (folder / "extra_words.py").read_text() == before


def test_packages_under_a_folder_that_programs_write_to_are_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot import from .*elsewhere"):
        Sandbox(packages=[Path("/tmp/words")])


def test_programs_see_the_standard_library_alone(box: Sandbox) -> None:
    assert box.run("import pytest").code == 1
    assert box.run("exit('done')").stderr == b"done\n"


def test_a_limit_that_a_program_sets_itself_is_a_limit_on_its_time(box: Sandbox) -> None:
    ended = box.run("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass")
    assert ended.status == "timeout"


def test_a_program_may_ask_for_more_stack(box: Sandbox) -> None:
    ended = box.run("import resource\nresource.setrlimit(resource.RLIMIT_STACK, (2**28, resource.RLIM_INFINITY))")
    assert (ended.status, ended.code) == ("exited", 0)


def test_a_kill_that_nobody_of_ours_sent_is_the_machines(box: Sandbox) -> None:
    with box.start("import os\nos.read(3, 1)", limits=Limits(), trusted=True) as guest:
        assert guest.end().status == "signal"
    with box.start("import os\nos.kill(os.getpid(), 9)", limits=Limits(), trusted=True) as guest:
        with pytest.raises(GuestEnded) as gone:
            guest.receive()
    assert gone.value.ended.status == "infrastructure"
