"""Programs that talk with us: frames in both directions, and every way in which a talk can end."""

import time
from collections.abc import Iterator

import pytest

from tracegen.sandbox import GuestEnded, Limits, Sandbox

ECHO = """
import os, struct
def exactly(n):
    data = b""
    while len(data) < n:
        data += os.read(3, n - len(data)) or exit(7)
    return data
while True:
    frame = exactly(struct.unpack(">I", exactly(4))[0])
    data = struct.pack(">I", len(frame)) + frame[::-1]
    while data:
        data = data[os.write(4, data):]
    if frame == b"bye":
        raise SystemExit(7)
"""


@pytest.fixture(params=[False, True], ids=["behind walls", "unsafe"])
def either(request: pytest.FixtureRequest, box: Sandbox) -> Iterator[Sandbox]:
    if request.param:
        with Sandbox(unsafe=True) as plain:
            yield plain
    else:
        yield box


def test_frames_go_both_ways_empty_and_large(either: Sandbox) -> None:
    with either.start(ECHO) as guest:
        for frame in (b"", b"abc", b"x" * 10**6, bytes(range(256))):
            guest.send(frame)
            assert guest.receive() == frame[::-1]


def test_the_last_frames_of_a_program_arrive_before_its_end(either: Sandbox) -> None:
    with either.start(ECHO) as guest:
        guest.send(b"bye")
        assert guest.receive() == b"eyb"
        with pytest.raises(GuestEnded) as gone:
            guest.receive()
        assert (gone.value.ended.status, gone.value.ended.code) == ("exited", 7)
        with pytest.raises(GuestEnded):
            guest.send(b"more")
        assert guest.end() == gone.value.ended


def test_a_guest_that_runs_out_of_time_while_we_wait(either: Sandbox) -> None:
    with either.start("while True: pass", limits=Limits(seconds=0.5)) as guest:
        with pytest.raises(GuestEnded) as gone:
            guest.receive()
    assert gone.value.ended.status == "timeout"


def test_a_guest_that_does_not_read_cannot_hold_us(either: Sandbox) -> None:
    with either.start("import time; time.sleep(60)", limits=Limits(wall=1)) as guest:
        with pytest.raises(GuestEnded) as gone:
            guest.send(b"x" * 10**6)
    assert gone.value.ended.status == "timeout"


def test_leaving_kills(either: Sandbox) -> None:
    started = time.monotonic()
    with either.start("import time\nprint('here', flush=True)\ntime.sleep(60)") as guest:
        time.sleep(0.3)
    ended = guest.end()
    assert (ended.status, ended.stdout) == ("signal", b"here\n")
    assert time.monotonic() - started < 10


def test_a_trusted_guest_starts_behind_the_outer_walls(box: Sandbox) -> None:
    with box.start(ECHO, trusted=True) as guest:
        guest.send(b"abc")
        assert guest.receive() == b"cba"
    source = """
import os, socket
attempts = (socket.socket,), (open, "/tmp/x", "w"), (open, "/usr/lib/x", "w"), (os.listdir, "/")
for attempt, *arguments in attempts:
    try:
        attempt(*arguments)
    except OSError:
        continue
    raise SystemExit("got through")
os.write(4, b"\\0\\0\\0\\1!")
"""
    with box.start(source, trusted=True) as guest:
        assert guest.receive() == b"!"


def test_two_guests_at_once_do_not_meet(box: Sandbox) -> None:
    look = """
import os
open("/tmp/mine", "w").close()
os.read(3, 5)
seen = repr((sorted(os.listdir("/tmp")), [p for p in os.listdir("/proc") if p.isdigit()])).encode()
os.write(4, len(seen).to_bytes(4, "big") + seen)
"""
    with box.start(look) as one, box.start(look) as other:
        one.send(b"?")
        other.send(b"?")
        assert one.receive() == other.receive() == b"(['mine'], ['1'])"
