"""Plots as SVG text: no script, no font, no file beside them.

Every function takes plain numbers and returns one `<svg>` as Markup, 400 units wide, so that its text can be read on a
phone. Colours come from the page through the classes `accent`, `second`, `third`, `fourth`, `soft`, `grid` and `quiet`,
which is how dark mode reaches them. Each plot carries a title and its figures in words for readers that cannot see it.
"""

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor, log10

from markupsafe import Markup, escape

WIDTH = 400
SHADES = ("accent", "second", "third", "fourth")
POINTS = 400
"""A curve of more points than units of width only makes the file longer."""


def funnel(rows: Sequence[tuple[str, int, int, str]]) -> Markup:
    """(filter, before, after, reasons) from top to bottom: what stays as a full bar, what is dropped as a pale one."""
    most = max((before for _, before, _, _ in rows), default=0) or 1
    marks, y = [], 0
    for name, before, after, reasons in rows:
        dropped = f"−{before - after:,} {reasons}" if before > after else "nothing dropped"
        left, lost = WIDTH * after / most, WIDTH * (before - after) / most
        marks += [
            _text(0, y + 14, name, "strong"),
            _text(WIDTH, y + 14, f"{before:,} → {after:,}", "number", "end"),
            _bar(0, y + 21, left, 12, "accent", f"{name}: {after:,} kept"),
            _bar(left, y + 21, lost, 12, "soft", f"{name}: {before - after:,} dropped"),
            _text(0, y + 48, _shortened(dropped), "quiet"),
        ]
        y += 64
    title = "; ".join(f"{name} {before:,} to {after:,}" for name, before, after, _ in rows)
    return _svg(max(1, y - 8), "Funnel of traces through the filters", marks, [title])


def columns(
    series: Mapping[str, Sequence[int]],
    labels: Sequence[str],
    title: str,
    below: str,
    beside: str,
    *,
    edges: bool = False,
) -> Markup:
    """Stacked columns, one shade a series; `labels` stand under the columns, or (one more) under their edges.

    `below` and `beside` say what is along the axes.
    """
    totals = [sum(stack) for stack in zip(*series.values(), strict=True)]
    top, ticks = _scale(max(totals, default=0) or 1, whole=True)
    left, right, high, floor_y = 46, WIDTH - 6, 30, 190
    width = (right - left) / max(1, len(totals))

    def up(count: float) -> float:
        return floor_y - (floor_y - high) * count / top

    marks = [_text(0, 12, beside, "quiet"), *_rules(ticks, up, left)]
    marks += _legend(list(series), len(beside)) if len(series) > 1 else []
    base, said = [0] * len(totals), []
    for shade, (name, counts) in zip(SHADES, series.items(), strict=False):
        for i, count in enumerate(counts):
            if count:
                label = f"{labels[i]} to {labels[i + 1]}" if edges else labels[i]
                y = up(base[i] + count)
                where = left + i * width + 1
                said.append(f"{label}: {count:,} {name}")
                marks.append(_bar(where, y, width - 2, up(base[i]) - y, shade, said[-1]))
                base[i] += count
    every = ceil(len(labels) / 7) if edges else 1
    for i, label in enumerate(labels):
        if i % every == 0:
            marks.append(_text(left + (i + (0 if edges else 0.5)) * width, floor_y + 17, label, "quiet", "middle"))
    marks.append(_text((left + right) / 2, floor_y + 37, below, "quiet", "middle"))
    return _svg(232, title, marks, said)


def histogram(values: Mapping[str, Sequence[float]], title: str, below: str, beside: str, bins: int = 20) -> Markup:
    """How often each size occurs, in at most `bins` equal steps of a round width from 0, stacked by series."""
    largest = max((max(series) for series in values.values() if series), default=0)
    step = max(1, _round_step(largest / bins))
    if step != int(step):  # 2.5 is no edge between whole numbers
        step *= 2
    count = floor(largest / step) + 1
    edges = [f"{step * i:,.0f}" for i in range(count + 1)]
    binned = {name: [0] * count for name in values}
    for name, series in values.items():
        for value in series:
            binned[name][floor(value / step)] += 1
    return columns(binned, edges, title, below, beside, edges=True)


def curve(points: Sequence[tuple[float, float]], title: str, below: str, beside: str) -> Markup:
    """y over x as a line, in the order given; the y axis starts at 0."""
    thin = points[:: ceil(len(points) / POINTS)] if points else []
    thin = [*thin, points[-1]] if points and thin[-1] != points[-1] else list(thin)
    top, ticks = _scale(max((y for _, y in thin), default=0) or 1)
    first, last = min((x for x, _ in thin), default=0), max((x for x, _ in thin), default=1)
    left, right, high, floor_y = 52, WIDTH - 12, 30, 190

    def across(x: float) -> float:
        return left + (right - left) * (x - first) / ((last - first) or 1)

    def up(y: float) -> float:
        return floor_y - (floor_y - high) * y / top

    marks = [_text(0, 12, beside, "quiet"), *_rules(ticks, up, left)]
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in thin)
    marks.append(Markup('<polyline class="line" points="{}"/>').format(path))
    ends = (thin[0], thin[-1]) if thin else ()
    said = [f"{below} {_short(x)}: {_short(y)} {beside}" for x, y in ends]
    marks += [_dot(across(x), up(y), "accent", words) for (x, y), words in zip(ends, said, strict=True)]
    for x, anchor in ((first, "start"), (last, "end")):
        marks.append(_text(across(x), floor_y + 17, _short(x), "quiet", anchor))
    marks.append(_text((left + right) / 2, floor_y + 17, below, "quiet", "middle"))
    return _svg(212, title, marks, said)


def whiskers(
    groups: Mapping[str, Sequence[tuple[str, float, float, float, str]]], title: str, *, signed: bool = False
) -> Markup:
    """(label, value, low, high, shade) in groups: a dot with its interval on one axis in per cent, and its value."""
    rows = [row for group in groups.values() for row in group]
    lowest, highest = min((low for _, _, low, _, _ in rows), default=0), max((high for *_, high, _ in rows), default=1)
    start, _ = _scale(-lowest if lowest < 0 else 0)
    end, ticks = _scale(highest if highest > 0 else 0)
    if not start and not end:
        end, ticks = 1.0, [0.0, 1.0]
    left, right = 74, WIDTH - 62

    def across(value: float) -> float:
        return left + (right - left) * (value + start) / (end + start)

    marks: list[Markup] = []
    said, y = [], 0
    for name, group in groups.items():
        if name:
            marks.append(_text(0, y + 14, name, "strong"))
            y += 22
        for label, value, low, high, shade in group:
            shown = f"{100 * value:+.1f}".replace("-", "−") if signed else f"{100 * value:.1f} %"
            said.append(f"{name} {label}: {shown}, {100 * low:.1f} to {100 * high:.1f}")
            marks += [
                _text(0, y + 16, label, "quiet"),
                _line(across(low), y + 12, across(high), y + 12, f"whisker {shade}"),
                _dot(across(value), y + 12, shade, said[-1]),
                _text(WIDTH, y + 16, shown, "number", "end"),
            ]
            y += 26
        y += 8
    below = [-start, *ticks] if start else ticks
    bottom = max(0, y - 4)
    grid = [_line(across(t), 0, across(t), bottom, "grid zero" if t == 0 and start else "grid") for t in below]
    numbers = [_text(across(t), y + 12, f"{100 * t:g}".replace("-", "−"), "quiet", "middle") for t in below]
    unit = _text((left + right) / 2, y + 30, "percentage points" if signed else "per cent", "quiet", "middle")
    return _svg(y + 36, title, [*grid, *marks, *numbers, unit], said)


def _svg(height: float, title: str, marks: Sequence[Markup], said: Sequence[str]) -> Markup:
    box = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg"><desc>{}</desc>{}</svg>'
    )
    return box.format(WIDTH, f"{height:g}", title, "; ".join(said), Markup("\n").join([Markup(""), *marks]))


def _text(x: float, y: float, content: str, style: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        f"{x:.1f}", f"{y:.1f}", style, anchor, escape(content)
    )


def _bar(x: float, y: float, width: float, height: float, style: str, title: str) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"><title>{}</title></rect>').format(
        f"{x:.1f}", f"{y:.1f}", f"{max(0.0, width):.1f}", f"{max(0.0, height):.1f}", style, title
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(
        f"{x1:.1f}", f"{y1:.1f}", f"{x2:.1f}", f"{y2:.1f}", style
    )


def _dot(x: float, y: float, style: str, title: str) -> Markup:
    return Markup('<circle cx="{}" cy="{}" r="4.5" class="{}"><title>{}</title></circle>').format(
        f"{x:.1f}", f"{y:.1f}", style, title
    )


def _legend(names: Sequence[str], behind: int) -> list[Markup]:
    """On the line of a word of so many letters."""
    marks, x = [], 24 + 6.6 * behind
    for shade, name in zip(SHADES, names, strict=False):
        marks += [_bar(x, 2, 11, 11, shade, name), _text(x + 16, 12, name, "quiet")]
        x += 34 + 6.6 * len(name)
    return marks


def _rules(ticks: Sequence[float], up: Callable[[float], float], left: float) -> list[Markup]:
    """Horizontal grid lines with their numbers."""
    lines = [_line(left, up(tick), WIDTH, up(tick), "grid") for tick in ticks]
    return lines + [_text(left - 6, up(tick) + 4, _short(tick), "quiet", "end") for tick in ticks]


def _scale(high: float, *, whole: bool = False) -> tuple[float, list[float]]:
    """The end of an axis from 0 that holds `high`, and its round ticks, five at most."""
    if high <= 0:
        return 0.0, []
    step = _round_step(high / 4)
    step = max(1.0, step) if whole else step
    count = ceil(high / step - 1e-9)
    return step * count, [round(step * i, 10) for i in range(count + 1)]


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`."""
    if least <= 0:
        return 1.0
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


def _short(value: float) -> str:
    """A number beside an axis: four figures at most, no exponent; 12.5 k, 4 M."""
    size, letter = next(((size, letter) for size, letter in ((1e6, " M"), (1e4, " k")) if value >= size), (1, ""))
    value /= 1e3 if letter == " k" else size
    return f"{float(f'{value:.4g}'):,.10f}".rstrip("0").rstrip(".") + letter


def _shortened(text: str, most: int = 62) -> str:
    """What fits on one line of a plot; the tables have it whole."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
