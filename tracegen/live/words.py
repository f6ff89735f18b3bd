"""Numbers as people read them."""


def number(value: float | None) -> str:
    """1,234 as it is, and from ten thousand on in three figures: 12.3 k, 4.56 M."""
    if value is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1000 if letter == 'k' else size):.3g} {letter}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def duration(seconds: float | None) -> str:
    """The two largest units: 42 s, 5 min 12 s, 3 h 5 min, 2 d 4 h."""
    if seconds is None:
        return "unknown"
    left = round(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])


def dollars(value: float) -> str:
    """Cents where there are dollars, four figures below."""
    return f"${value:,.2f}" if abs(value) >= 1 or value == 0 else f"${value:.4f}"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}" if share in (0, 1) or 0.1 <= share <= 0.99 else f"{share:.1%}"
