"""The course of a training beside its bar."""

from tracegen.curve import Curve, drawn


def test_drawn_from_first_to_last() -> None:
    assert drawn([]) == ""
    assert drawn([2.0]) == "▁"
    assert drawn([3.0, 2.0, 1.0]) == "█▅▁"
    assert drawn([1.0, 1.0]) == "▁▁"


def test_many_values_are_means() -> None:
    values = [float(number // 10) for number in range(40)]
    assert drawn(values, 4) == "▁▃▆█"
    assert len(drawn(values)) == 20


def test_what_is_shown() -> None:
    curve = Curve()
    line = {"step": 1, "loss": 2.0, "tokens": 500, "seconds": 2.0, "accuracy": 0.5, "memory": 1.25}
    assert curve.note(line) == "250 tokens/s, loss 2.000 ▁, 50% of tokens right, 1.2 GB"
    curve.note(line | {"step": 2, "loss": 1.0})
    assert curve.note(line | {"step": 3, "loss": 3.0, "accuracy": None}).startswith("250 tokens/s, loss 3.000 ▅▁█")
    # A resumed training does step 2 again.
    assert "▁█" in curve.note(line | {"step": 2, "loss": 4.0})
