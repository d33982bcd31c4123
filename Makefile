# `make demo` and `make test` do all their own set-up, in .venv and build/ of this folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FOLDER := $(CURDIR)/build
# Caches and temporary files stay in the folder too.
export PIP_CACHE_DIR := $(FOLDER)/pip-cache
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export XDG_CACHE_HOME := $(FOLDER)/cache
export XDG_CONFIG_HOME := $(FOLDER)/config

TMP := $(FOLDER)/tmp
WORKERS ?= 2

.PHONY: help demo test lint types spec screenshots bench soak clean

help:
	@echo "make demo         install, start the reference server, run the conformance suite against it"
	@echo "make test         install, run every check: ruff, mypy, pytest with branch coverage"
	@echo "make spec         render the specification to build/chatroom-protocol.html"
	@echo "make screenshots  take the README's pictures of the client again"
	@echo "make bench        measure; make soak: the minute-long runs"
	@echo "make clean        remove all that these made"

$(VENV)/.python: tools/check-python
	@sh tools/check-python $(PYTHON)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: pyproject.toml $(VENV)/.python
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.python
	@echo "Installing into $(VENV), with the tools that the checks need ..."
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.run

$(TMP):
	@mkdir -p $@

demo: $(VENV)/.run $(TMP)
	@TMPDIR=$(TMP) $(BIN)/chatroom-conformance --reference --html build/conformance.html

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev
	@$(BIN)/mypy

test: lint types $(TMP)
	@TMPDIR=$(TMP) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term

spec: $(VENV)/.dev
	@$(BIN)/python tools/render_spec.py

screenshots: $(VENV)/.dev
	@$(BIN)/python tools/screenshots.py

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/run.py

soak: $(VENV)/.dev
	@$(BIN)/python benchmarks/run.py --soak

clean:
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage
