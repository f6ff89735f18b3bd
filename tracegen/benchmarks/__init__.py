"""Held-out problems: `def x(*, options) -> Iterator[Problem]`."""
