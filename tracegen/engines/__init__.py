"""What turns prompts into completions: `def x(requests, *, model, options) -> Iterator[tuple[Request, Completion]]`."""
