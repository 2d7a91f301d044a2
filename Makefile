# `make help` lists the targets. PYTHON chooses the interpreter (>= 3.11), VENV the folder that everything is installed in.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# An activated environment of the caller must not decide where things are installed or found.
unexport VIRTUAL_ENV
unexport PYTHONHOME
unexport PYTHONPATH

# The interpreter behind PYTHON, even if that is itself a virtual environment, and its version: a stamp per version lets
# `make PYTHON=python3.13 test` rebuild an environment that was made by another one.
BASE_PYTHON = $(shell $(PYTHON) -c 'import sys; print(sys._base_executable)')
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("{}.{}".format(*sys.version_info))')
MADE := $(VENV)/.made-$(PYTHON_VERSION)
RUNTIME := $(VENV)/.runtime-$(PYTHON_VERSION)
DEV := $(VENV)/.dev-$(PYTHON_VERSION)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

# What mypy reads: strict everywhere but in the tests.
TYPED = $(wildcard app benchmarks)

# How long make faults keeps each attack up.
ATTACK_SECONDS ?= 60

.PHONY: help run test quick check faults bench openapi sql lock format clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

run: $(RUNTIME) ## Serve: API, worker and, without DATABASE_URL, a PostgreSQL of its own
	exec $(BIN)/python -m app serve

test: check quick ## Check, then run the quick tests (ARGS="-k name" is passed on)

# Three at a time keep two cores busy: a test waits often.
quick: $(DEV) ## Run the quick tests alone
	$(BIN)/python -m pytest -n 3 -m "not slow and not faults" $(ARGS)

check: $(DEV) ## Lint, import rules, types, migrations, Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy $(TYPED)
	$(BIN)/alembic upgrade head --sql > $(VENV)/migrations.sql
	$(BIN)/squawk $(VENV)/migrations.sql
	$(BIN)/hadolint Dockerfile

faults: $(DEV) ## Attack a running service, a minute each way, and ask for a neighbour meanwhile
	ATTACK_SECONDS=$(ATTACK_SECONDS) $(BIN)/python -m pytest -s -m faults $(ARGS)

bench: $(DEV) ## Measure the hot paths
	$(BIN)/python -m benchmarks

openapi: $(RUNTIME) ## Write openapi/openapi.json
	mkdir -p openapi
	$(BIN)/python -m app openapi > $(VENV)/openapi.json
	mv $(VENV)/openapi.json openapi/openapi.json

sql: $(DEV) ## Write every statement, formatted, to tests/sql
	PYTHONPATH=. $(BIN)/python tests/golden_sql.py

format: $(DEV) ## Format the code and repair what can be repaired
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Pins that still fit are kept; UPGRADE=--upgrade takes the newest of everything. The lock files name no index, so they
# install from whichever one the machine is set up with.
LOCK = $(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
	--python-version 3.11 $(UPGRADE)
lock: $(MADE) ## Pin and hash the dependencies of pyproject.toml (UPGRADE=--upgrade for the newest)
	$(BIN)/python -m venv --clear $(VENV)/lock
	$(VENV)/lock/bin/python -m pip --disable-pip-version-check --no-input install --quiet uv
	$(LOCK) pyproject.toml --output-file requirements.lock
	$(LOCK) --group dev --constraint requirements.lock --output-file .ci/requirements.lock
	rm -r $(VENV)/lock

clean: ## Remove the environment and the caches; the database in var/ stays
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(wildcard app benchmarks migrations tests) -name __pycache__ -prune -exec rm -r {} +

$(MADE):
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.13" if sys.version_info < (3, 11) else 0)'
	$(BASE_PYTHON) -m venv --clear $(VENV)
	touch $@

$(RUNTIME): requirements.lock | $(MADE)
	$(PIP) install --quiet --require-hashes --requirement requirements.lock
	touch $@

$(DEV): .ci/requirements.lock $(RUNTIME)
	$(PIP) install --quiet --require-hashes --requirement requirements.lock --requirement .ci/requirements.lock
	touch $@
