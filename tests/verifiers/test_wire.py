"""What crosses between a program and its tests: values arrive as they left, and bytes that are no value are refused."""

import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegen.verifiers._code.kinds import Handle, WireError, exception, lineage
from tracegen.verifiers._code.wire import DEPTH, decode, encode

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**300), 2**300)
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.just(datetime.timezone(datetime.timedelta(hours=-3))))
    | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(scalars, max_size=4)
        | st.frozensets(scalars, max_size=4)
        | st.dictionaries(scalars, inner, max_size=4)
        | st.lists(inner, max_size=4).map(deque)
    ),
    max_leaves=12,
)


def typed(value: Any) -> Any:
    """A value with its types, since 1 == True == 1.0."""
    if isinstance(value, list | tuple | deque):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return type(value), [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return type(value), value
    return type(value), repr(value)


@given(values)
def test_a_value_arrives_as_it_left(value: Any) -> None:
    assert typed(decode(encode(value))) == typed(value)


@given(st.binary(max_size=60))
@settings(max_examples=500)
def test_any_bytes_are_a_value_or_refused(frame: bytes) -> None:
    try:
        decode(frame)
    except WireError:
        return


@given(values, st.data())
@settings(max_examples=300)
def test_a_damaged_frame_is_a_value_or_refused(value: Any, data: st.DataObject) -> None:
    frame = bytearray(encode((value, ValueError("x"), Counter("a"), OrderedDict(a=1), {}.keys())))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(frame[: data.draw(st.integers(0, len(frame)))]))
    except WireError:
        return


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"?",
        b"NN",
        b"[\xff\xff\xff\xff",
        b"s\x00\x00\x00\x09x",
        b"/(\x00\x00\x00\x01s\x00\x00\x00\x0b1e999999999",
        b"q(\x00\x00\x00\x02Nr(\x00\x00\x00\x01i\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"<\x00\x00\x00\x01[\x00\x00\x00\x00",
        b"h(\x00\x00\x00\x00",
        b"ns\x00\x00\x00\x04eval",
        b"X(\x00\x00\x00\x01s\x00\x00\x00\x03a.b",
        b"[\x00\x00\x00\x01" * 5_000,
    ],
)
def test_what_is_no_value_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        decode(frame)


def test_depth_has_an_end_and_so_has_a_list_that_holds_itself() -> None:
    nested: Any = 1
    for _ in range(DEPTH):
        nested = [nested]
    assert decode(encode(nested)) == nested
    endless: list[Any] = []
    endless.append(endless)
    for value in ([nested], endless):
        with pytest.raises(WireError, match="nested deeper"):
            encode(value)


def test_a_subclass_crosses_as_its_base_whatever_it_overrides() -> None:
    lies = {
        name: lambda *_: 1 / 0 for name in ("__eq__", "__iter__", "__len__", "__str__", "__repr__", "__int__", "items")
    }
    for base, value in ((int, 7), (float, 1.5), (str, "a"), (bytes, b"a"), (list, [1]), (dict, {1: 2}), (tuple, (1,))):
        made = type("Liar", (base,), {**lies, "__hash__": lambda _: 1})(value)
        assert typed(decode(encode(made))) == typed(value)
    assert typed(decode(encode(defaultdict(list, a=[1])))) == typed(defaultdict(None, a=[1]))


def test_exceptions_cross_by_name_and_those_that_steer_do_not_steer() -> None:
    class Low(KeyError):
        pass

    error = decode(encode(Low("k", 1)))
    assert isinstance(error, KeyError)
    assert (type(error).__name__, error.args) == ("Low", ("k", 1))
    assert type(error) is exception(lineage(Low))
    for kind in (StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit):
        arrived = decode(encode(kind(0)))
        assert type(arrived).__name__ == kind.__name__
        assert isinstance(arrived, RuntimeError)
    assert decode(encode(ZeroDivisionError)) is ZeroDivisionError


def test_objects_stay_and_are_known_by_number() -> None:
    handle = Handle("mine", 3, "object", "Thing")
    assert decode(encode([object()], lambda _: handle), lambda found: found) == [handle]
    for frame in (encode(object(), lambda _: handle), encode(object(), lambda _: Handle("mine", "3", "x", "y"))):  # type: ignore[arg-type]
        with pytest.raises(WireError):
            decode(frame)
    with pytest.raises(WireError, match="object cannot cross"):
        encode(object())


def test_numbers_of_the_standard_library_keep_their_digits() -> None:
    assert str(decode(encode(Decimal("1.10")))) == "1.10"
    assert decode(encode(Fraction(10**40, 3))) == Fraction(10**40, 3)
