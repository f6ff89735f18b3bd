"""Where problems come from: `def x(*, options) -> Iterator[Problem]`."""
