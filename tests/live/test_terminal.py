"""On a real terminal: the screen comes, goes, and holds up nobody who does not read it."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

STAGE = """
import sys, time
import told
from tracegen.progress import say
start = time.monotonic()
with told.watch():
    say("between two screens")
    time.sleep(2.2)
    for number in range(MANY):
        say(f"{number} " + 200 * "x")
print(time.monotonic() - start, flush=True)
"""


def stage(terminal, many):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "TERM": "xterm-256color", "COLUMNS": "120"}
    command = [sys.executable, "-c", STAGE.replace("MANY", str(many))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, env=environment, text=True)


def read_all(terminal):
    found = b""
    while True:
        try:
            found += os.read(terminal, 65536)
        except OSError:  # its other end is closed
            return found.decode()


def test_a_terminal_sees_the_screen_and_then_one_sentence():
    ours, theirs = pty.openpty()
    process = stage(theirs, 0)
    os.close(theirs)
    written = read_all(ours)
    os.close(ours)
    assert process.wait(timeout=30) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert "13 of 60 samples" in text
    assert "3 right, 1 wrong, 1 unverifiable" in text
    assert text.count("between two screens") == 1
    assert text.rstrip().splitlines()[-1].startswith("generate: 8 samples answered")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l"), "the cursor is shown again"


def test_a_terminal_that_is_not_read_holds_up_nobody():
    """As with Ctrl-S: a terminal takes some 4 kB, and there are 400."""
    ours, theirs = pty.openpty()
    process = stage(theirs, 2000)
    out, _ = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 0
    assert float(out) < 15


def test_a_terminal_that_goes_away_stops_nobody():
    ours, theirs = pty.openpty()
    process = stage(theirs, 200)
    os.close(theirs)
    time.sleep(1)
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert float(out) < 15
