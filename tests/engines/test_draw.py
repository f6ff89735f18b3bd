"""How requests are drawn: what there is, while there is room, and a word from outside at every look."""

from collections.abc import Iterator

import pytest

from tracegen.engines._draw import Checked, Stream, draw
from tracegen.records import Request

ONE, TWO, THREE = (Request(name, name, "t", 0, (), {}) for name in ("one", "two", "three"))


def test_a_stream_gives_what_there_is_while_there_is_room() -> None:
    stream, taken = Stream([ONE, None, TWO, THREE]), list[Request]()
    taken += stream.while_room(lambda: True)
    assert (taken, stream.idle, stream.more) == ([ONE], True, True)
    for request in stream.while_room(lambda: len(taken) < 2):
        taken.append(request)
    assert (taken, stream.idle, stream.more) == ([ONE, TWO], False, True)
    taken += stream.while_room(lambda: True)
    assert (taken, stream.idle, stream.more) == ([ONE, TWO, THREE], False, False)
    assert list(stream.while_room(lambda: True)) == []


def test_the_first_request_is_waited_for_and_stays_in_the_stream() -> None:
    drawn = draw([None, None, ONE, TWO])
    assert drawn is not None
    assert drawn[0] is ONE
    assert list(drawn[1]) == [ONE, TWO]
    assert draw([None]) is None


def test_a_word_from_outside_is_heard_though_there_is_no_room() -> None:
    words: list[str] = []

    def check() -> None:
        if words:
            raise RuntimeError(words[0])

    def requests() -> Iterator[Request | None]:
        while True:
            yield ONE

    drawn = draw(Checked(requests(), check))
    assert drawn is not None
    stream = Stream(drawn[1])
    assert next(stream.while_room(lambda: True)) is ONE
    words.append("stop")
    with pytest.raises(RuntimeError, match="stop"):
        list(stream.while_room(lambda: False))
