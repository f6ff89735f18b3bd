"""Is this answer right?: `def x(problem, response, *, options) -> Verdict`, run in a process that may be killed."""
