# `make help` lists the targets. Everything runs in .venv, made from the hash-locked requirements.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
# Most tests wait for sockets and processes more than they compute.
TEST_PROCESSES ?= 4

.PHONY: help up story check core test coverage bench compose-test soak lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# The lock files are whole. Left to look for dependencies, pip takes the newest coverage for `coverage[toml]`, past the lock.
LOCKED := install --no-deps --require-hashes -r
# Most modules of the tools are never imported: each is compiled when it is.
TOOLS := install --no-compile --no-deps --require-hashes -r

.venv/.product: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing what runs the product (requirements.lock) ..."
	@$(PIP) $(LOCKED) requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.tools: requirements-dev.lock .venv/.product
	@echo "installing what tests it (requirements-dev.lock) ..."
	@$(PIP) $(TOOLS) requirements-dev.lock
	@$(PIP) check
	@touch $@

up: .venv/.product ## PostgreSQL, the service, TravelBuddy and the facade, until Ctrl-C
	@exec $(BIN)/python -m deploy.local

story: .venv/.product ## the strangler fig from its first step to its last, on the local stack, with traffic
	@exec $(BIN)/python -m deploy.story

check: .venv/.tools ## format, lint, types and the layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Tracing a process doubles what it costs. The core is traced, by its own tests, and has to be whole; all else by `make coverage`.
PYTEST := $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder
CORE_TESTS = $$($(BIN)/python -m tests.core tests)

core: .venv/.tools ## the core's tests: they have to run each of its branches
	$(PYTEST) $(CORE_TESTS) --cov --cov-report=
	$(BIN)/python -m coverage report --include="$$($(BIN)/python -m tests.core)" --fail-under=100 --skip-covered --show-missing

# mypy uses one processor, and the end of a run of tests as well: beside each other, both processors have work.
test: .venv/.tools ## everything that has to hold before a commit: checks, the core's tests and coverage, all other tests
	@$(MAKE) --no-print-directory --jobs=2 check core
	$(PYTEST) --cache-clear tests $$(printf -- '--ignore=%s ' $(CORE_TESTS)) || $(BIN)/python -m tests.second_try

coverage: .venv/.tools ## all tests once more, and which lines of the whole no test has run
	$(PYTEST) tests --cov --cov-report=term-missing:skip-covered

# Speed is measured on a Python as images and distributions build it, with profiles; one built at home may be a quarter slower.
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3.14 /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11) $(PYTHON))

.venv-bench/.tools: requirements-dev.lock
	@test -x .venv-bench/bin/python || $(BENCH_PYTHON) -m venv .venv-bench
	@echo "installing the contestants for $(BENCH_PYTHON) ..."
	@.venv-bench/bin/python -m pip --quiet --disable-pip-version-check $(LOCKED) requirements-dev.lock
	@touch $@

bench: .venv/.tools .venv-bench/.tools ## speed and strictness, beside the peers, in one run
	.venv-bench/bin/python -m tests.bench --soak
	$(BIN)/python -m tests.hostile.compare
	$(BIN)/python -m tests.bench_service

compose-test: .venv/.tools ## the whole system in containers, on a machine with a Docker engine
	$(BIN)/python -m tests.compose

soak: .venv/.tools ## long fuzz and failure runs
	$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

lock: ## make both lock files anew: hashes, no addresses
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate --upgrade pyproject.toml --extra local --extra aws --extra otel -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --no-annotate pyproject.toml --extra local --extra aws --extra otel --group dev -c requirements.lock -o requirements-dev.lock
	deploy/images/lock

clean: ## remove what was made here, but no data
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
