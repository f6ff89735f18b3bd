"""A packed table is a dict of hashed keys, whatever shares a slot, and takes a small part of its memory."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from tracegen.packed import Packed, hashed

# Keys that want the same few slots, and differ in the upper half alone.
crowded = st.builds(lambda high, low: (high << 64) + low, st.integers(0, 40), st.sampled_from([0, 1, 1023, 1024]))


@given(st.lists(st.tuples(crowded, st.integers(0, (1 << 63) - 1)), max_size=200))
def test_it_holds_what_a_dict_would(entries: list[tuple[int, int]]) -> None:
    packed, known = Packed(), dict(entries)
    for key, number in entries:
        packed[key] = number
    assert len(packed) == len(known)
    assert dict(packed.items()) == known
    assert all(packed.get(key) == number for key, number in known.items())
    assert packed.get(1 << 127) is None


def test_it_grows_and_forgets_nothing_in_little_memory() -> None:
    keys = [hashed("key", str(number)) for number in range(30_000)]
    tracemalloc.start()
    packed = Packed()
    for number, key in enumerate(keys):
        packed[key] = number
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [packed.get(key) for key in keys] == list(range(30_000))
    assert held / len(keys) < 80
    assert peak / len(keys) < 110


def test_texts_make_a_key_of_their_own() -> None:
    texts = [("a", "b"), ("ab", ""), ("", "ab"), ("a\ud800", "b"), ("a",)]
    assert len({hashed(*parts) for parts in texts}) == len(texts)
    assert all(0 <= hashed(*parts) < 1 << 128 for parts in texts)
