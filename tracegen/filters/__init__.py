"""Should this trace be kept?: `def x(traces, *, options) -> Iterator[tuple[Trace, str | None]]`, every trace once."""
