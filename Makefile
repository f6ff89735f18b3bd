# Every command a person needs. All of them make .venv first if need be; PYTHON=... chooses the interpreter.

.DEFAULT_GOAL := help
.PHONY: help install quickstart test check fix soak

help:           ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/.installed  ## the virtual environment, with the best engine that this machine can have

quickstart: .venv/.installed  ## the whole flow on the embedded model; ARGS='seed=2' overrides values of the recipe
	.venv/bin/tracegen run recipes/quickstart.yaml $(ARGS)

test: .venv/.installed  ## the test suite; ARGS='tests/test_sources.py' picks from it
	@bash scripts/install_chromium.sh
	.venv/bin/python -m pytest $(ARGS)

check: .venv/.installed  ## style, types and layers
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports

fix: .venv/.installed  ## mend style where that can be done by itself
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

soak: .venv/.installed  ## the long sweeps: kill, fuzz, fault
	.venv/bin/python -m pytest -m soak $(ARGS)

.venv/.installed: pyproject.toml scripts/install.sh
	bash scripts/install.sh
