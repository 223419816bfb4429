# Two doors: `make demo` does the main job, `make test` proves it. Both set everything up themselves.
PY ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
.DEFAULT_GOAL := help

help: ## Show what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Allot needs Python 3.11 or newer; found $$($(PY) --version). Install one, or: make PY=/path/to/python3.11"; exit 1; }
	$(PY) -m venv $(VENV)

$(VENV)/.demo-ready: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): about 2 GB, two to five minutes."
	$(PIP) -e .
	@echo "Compiling what plans: about a minute."
	$(BIN)/python -m scheduler.commands.compiling
	@touch $@

$(VENV)/.test-ready: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV): about 2 GB, two to six minutes."
	$(PIP) -e '.[dev]'
	@echo "Compiling what plans: about a minute."
	$(BIN)/python -m scheduler.commands.compiling
	@touch $@ $(VENV)/.demo-ready

demo: $(VENV)/.demo-ready ## Do real work, learn from it, plan, run the plan, open the dashboard
	$(BIN)/allot demo

test: $(VENV)/.test-ready ## Style, types, the rule between rooms, and every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

soak: $(VENV)/.test-ready ## Hundreds of faults that land: an hour or two; what was interrupted goes on
	$(BIN)/python -m benchmarks soak --keep

clean: ## Remove what was installed and cached
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info build

.PHONY: help demo test soak clean
