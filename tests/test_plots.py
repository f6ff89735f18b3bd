"""Plots: well-formed SVG whose marks have the sizes that the numbers ask for."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from tracegen import plots

SVG = "{http://www.w3.org/2000/svg}"


def parsed(plot: Markup) -> ElementTree.Element:
    root = ElementTree.fromstring(str(plot))
    assert root.tag == f"{SVG}svg"
    assert root.get("aria-label")
    width, height = map(float, root.get("viewBox", "").split()[2:])
    for mark in root.iter():
        for name, most in (("x", width), ("cx", width), ("x2", width), ("y", height), ("cy", height), ("y2", height)):
            assert -1 <= float(mark.get(name, 0)) <= most + 1, f"{mark.tag} stands outside of the plot"
    return root


def marks(root: ElementTree.Element, tag: str, style: str = "") -> list[ElementTree.Element]:
    return [mark for mark in root.iter(SVG + tag) if not style or style in mark.get("class", "").split()]


def titles(root: ElementTree.Element) -> list[str]:
    return [mark.text or "" for mark in root.iter(f"{SVG}title")]


def test_funnel_bars_are_as_long_as_their_counts() -> None:
    root = parsed(plots.funnel([("wellformed", 200, 100, "truncated 100"), ("correct", 100, 50, "wrong 50")]))
    assert [float(bar.get("width", 0)) for bar in marks(root, "rect", "accent")] == [200, 100]
    assert [float(bar.get("width", 0)) for bar in marks(root, "rect", "soft")] == [200, 100]
    texts = [mark.text for mark in marks(root, "text")]
    assert {"wellformed", "200 → 100", "−100 truncated 100"} <= set(texts)


def test_columns_stack_up_to_the_scale() -> None:
    root = parsed(plots.columns({"right": [1, 0], "wrong": [3, 2]}, ["few", "many"], "title", "below", "beside"))
    heights = {bar[0].text: float(bar.get("height", 0)) for bar in marks(root, "rect") if bar.get("height") != "11.0"}
    assert heights["few: 3 wrong"] == pytest.approx(3 * heights["few: 1 right"], abs=0.2)
    assert "many: 0 right" not in heights
    assert marks(root, "rect", "second"), "the second series has a shade of its own"


def test_histogram_counts_every_value_once() -> None:
    root = parsed(plots.histogram({"right": [0, 1, 99, 100], "wrong": [55] * 7}, "title", "tokens", "traces"))
    counts = [int(title.split(": ")[1].split()[0]) for title in titles(root) if " to " in title]
    assert sum(counts) == 11


def test_edges_of_a_histogram_are_whole_numbers() -> None:
    said = parsed(plots.histogram({"right": [48, 20]}, "t", "tokens", "traces")).findtext(f"{SVG}desc")
    assert said == "20 to 25: 1 right; 45 to 50: 1 right"


def test_curve_keeps_its_ends_and_thins_the_middle() -> None:
    root = parsed(plots.curve([(step, 1 / step) for step in range(1, 5001)], "loss over steps", "step", "loss"))
    points = marks(root, "polyline")[0].get("points", "").split()
    assert 300 <= len(points) <= plots.POINTS + 1
    assert titles(root) == ["step 1: 1 loss", "step 5,000: 0.0002 loss"]


def test_whiskers_share_one_axis() -> None:
    root = parsed(
        plots.whiskers({"pass@1": [("before", 0, 0, 0.02, "third"), ("after", 0.5, 0.4, 0.6, "accent")]}, "t")
    )
    first, second = marks(root, "circle")
    assert float(second.get("cx", 0)) > float(first.get("cx", 0))
    whisker = marks(root, "line", "accent")[0]
    middle = (float(whisker.get("x1", 0)) + float(whisker.get("x2", 0))) / 2
    assert middle == pytest.approx(float(second.get("cx", 0)), abs=0.2)
    assert "pass@1 after: 50.0 %, 40.0 to 60.0" in titles(root)


def test_signed_whiskers_show_where_zero_is() -> None:
    root = parsed(plots.whiskers({"after-before": [("", -0.1, -0.3, 0.1, "accent")]}, "change", signed=True))
    zero = float(marks(root, "line", "zero")[0].get("x1", 0))
    assert float(marks(root, "circle")[0].get("cx", 0)) < zero
    assert "−10.0" in [mark.text for mark in marks(root, "text")]


def test_axes_are_named_and_figures_stand_in_words() -> None:
    for plot, axes, said in (
        (
            plots.columns({"n": [1, 0]}, ["few", "many"], "t", "how many", "clusters"),
            {"how many", "clusters"},
            "few: 1 n",
        ),
        (plots.histogram({"right": [1]}, "t", "tokens", "traces"), {"tokens", "traces"}, "1 to 2: 1 right"),
        (plots.curve([(0, 0), (2, 90_000)], "t", "minutes", "tokens"), {"minutes", "tokens"}, "minutes 2: 90 k tokens"),
        (plots.whiskers({"a": [("b", 0.5, 0.4, 0.6, "accent")]}, "t"), {"per cent"}, "a b: 50.0 %, 40.0 to 60.0"),
        (plots.funnel([("correct", 2, 1, "wrong 1")]), {"correct"}, "correct 2 to 1"),
    ):
        root = parsed(plot)
        assert axes <= {mark.text for mark in marks(root, "text")}
        assert said in (root.findtext(f"{SVG}desc") or "")


def test_numbers_beside_an_axis_have_no_exponent() -> None:
    texts = [mark.text for mark in marks(parsed(plots.curve([(0, 0), (1, 0.00004)], "t", "x", "y")), "text")]
    assert "0.00004" in texts
    texts = [mark.text for mark in marks(parsed(plots.curve([(0, 0), (1, 4e6)], "t", "x", "y")), "text")]
    assert "4 M" in texts


def test_words_are_escaped() -> None:
    word = '<script>alert(1)</script>&"'
    for plot in (
        plots.funnel([(word, 2, 1, word)]),
        plots.columns({word: [1], "b": [1]}, [word], word, word, "n"),
        plots.whiskers({word: [(word, 0.5, 0.4, 0.6, "accent")]}, word),
    ):
        assert "<script" not in plot
        assert word in "".join(parsed(plot).itertext())


@given(st.lists(st.integers(0, 10**7), max_size=30), st.lists(st.integers(0, 40), max_size=30))
def test_histogram_takes_any_sizes(left: list[int], right: list[int]) -> None:
    parsed(plots.histogram({"right": left, "wrong": right}, "title", "tokens", "traces"))


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30))
def test_curve_takes_any_points(points: list[tuple[float, float]]) -> None:
    parsed(plots.curve(points, "title", "step", "loss"))


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)).map(sorted), max_size=8))
def test_whiskers_take_any_interval(rows: list[list[float]]) -> None:
    groups = {str(i): [("after", value, low, high, "accent")] for i, (low, value, high) in enumerate(rows)}
    parsed(plots.whiskers(groups, "title", signed=True))


def test_nothing_to_plot_is_a_plot_all_the_same() -> None:
    for plot in (
        plots.funnel([]),
        plots.histogram({"right": []}, "t", "x", "y"),
        plots.curve([], "t", "x", "y"),
        plots.whiskers({}, "t"),
    ):
        parsed(plot)
