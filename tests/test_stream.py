"""A slow or closed terminal neither slows nor stops whoever writes to it; one that reads gets all, in order."""

import io
import os
import subprocess
import sys
import time

from tracegen.stream import BACKLOG, Stream

CHATTY = """
import sys, time
from tracegen.progress import say
start = time.monotonic()
for number in range(5000):
    say(f"{number} " + 100 * "x")
print(time.monotonic() - start, flush=True)
"""


def test_all_of_it_in_order():
    file = io.StringIO()
    stream = Stream(lambda: file)
    for number in range(1000):
        stream.write(f"{number}\n")
    stream.flush()
    assert file.getvalue() == "".join(f"{number}\n" for number in range(1000))


def test_a_flush_waits_for_a_file_that_reads():
    file = io.StringIO()
    stream = Stream(lambda: file)
    for number in range(50):
        stream.write(f"{number}")
        stream.flush()
        assert file.getvalue().endswith(f"{number}")


class Stuck(io.StringIO):
    def write(self, text):
        time.sleep(3600)


def test_a_file_that_takes_nothing_costs_one_wait_and_bounded_memory():
    stuck = Stuck()
    stream = Stream(lambda: stuck)
    start = time.monotonic()
    for _ in range(1000):
        stream.write(10_000 * "x")
        stream.flush()
    assert time.monotonic() - start < 3
    assert stream._size <= BACKLOG
    assert sum(map(len, stream._waiting)) == stream._size


def test_a_file_that_comes_to_itself_gets_the_rest():
    class Slow(io.StringIO):
        def write(self, text):
            if not self.getvalue():
                time.sleep(0.8)
            return super().write(text)

    file = Slow()
    stream = Stream(lambda: file)
    stream.write("a")
    stream.flush()
    assert file.getvalue() == ""
    stream.write("b")
    time.sleep(0.8)
    stream.flush()
    assert file.getvalue() == "ab"


def test_a_closed_file_and_none_are_passed_over():
    for file in (io.StringIO(), None):
        if file is not None:
            file.close()
        stream = Stream(lambda file=file: file)
        stream.write("x")
        stream.flush()
        assert not stream.isatty()


def chat(**options):
    return subprocess.Popen([sys.executable, "-c", CHATTY], stdout=subprocess.PIPE, text=True, **options)


def test_a_pipe_that_nobody_reads_holds_up_nobody():
    """A pipe takes 64 kB, and there are more than 500 kB."""
    read, write = os.pipe()
    try:
        process = chat(stderr=write)
        out, _ = process.communicate(timeout=30)
    finally:
        os.close(read)
        os.close(write)
    assert process.returncode == 0
    assert float(out) < 10


def test_a_pipe_that_is_closed_stops_nobody():
    read, write = os.pipe()
    os.close(read)
    process = chat(stderr=write)
    os.close(write)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert float(out) < 10


def test_a_reader_gets_every_line():
    process = chat(stderr=subprocess.PIPE)
    _, err = process.communicate(timeout=30)
    assert [line.split()[0] for line in err.splitlines()] == [str(number) for number in range(5000)]


def test_no_stderr_at_all():
    command = f"exec {sys.executable} -c '{CHATTY}' 2>&-"
    assert subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, timeout=30).returncode == 0
