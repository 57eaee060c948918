# Everything that a person or CI calls. PYTHON=python3.12 picks the interpreter that .venv is made with.
SHELL := bash
PYTHON ?= python3
PY := .venv/bin/python
# Clouds whose SDKs are wanted too: make setup WITH="gke aws".
WITH ?=
# Tests on real parts that run at once: three quarters of their time they wait.
LAB_WORKERS ?= 6
# What pytest gets on top: make test ARGS="tests/unit/test_settings.py -k unknown".
ARGS ?=

# Without bytecode the SDKs start three times slower; a .venv is a fine place for it.
unexport PYTHONDONTWRITEBYTECODE

ASKED_FOR := $(if $(filter-out file,$(origin PYTHON)),--asked-for)
NO_PYTHON = { echo "setup: there is no $(PYTHON) here: install Python 3.10 or newer" >&2; exit 1; }
INSTALL = command -v $(PYTHON) >/dev/null || $(NO_PYTHON); $(PYTHON) scripts/setup_venv.py $(ASKED_FOR)
PYTEST = $(PY) -m pytest -n auto --maxprocesses 8 --dist worksteal
QUIETLY = bash -c 'out=$$("$$@" 2>&1) || { echo "$$out"; exit 1; }' --
SHELL_FILES = .ci/run .ci/preview $(shell find . -name '*.sh' -not -path './.*/*')

.PHONY: help setup dev demo test check matrix docs bench bench-hosts lock lab-setup lab lab-down lab-test clean FORCE

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile

setup:  ## .venv with what the rehearsal and a deploy to any cluster need
	@$(INSTALL) lab $(WITH)

# The tests of a target need its SDK; what a user installs stays without.
dev:
	@$(INSTALL) dev gke aws $(WITH)

demo: setup  ## the whole product against a simulated cluster
	@$(PY) -m lab.demo

test: dev  ## the default tests; check has the long ones too
	@$(PYTEST) $(ARGS)

check: dev  ## format, lint, walls, types, shell, docs, then the tests with coverage of what decides
	@$(PY) -m ruff format -q --check --output-format concise . || { echo "fix: $(PY) -m ruff format ."; exit 1; }
	@$(PY) -m ruff check -q .
	@$(QUIETLY) .venv/bin/lint-imports --no-logo
	@$(PY) -m mypy --no-error-summary
	@PATH=".venv/bin:$$PATH" shellcheck $(SHELL_FILES)
	@$(PY) -m docs.generate --check
	@GPU_READY_THOROUGH=1 $(PYTEST) --cov $(ARGS)

matrix: dev  ## hosts of every kind: what is decided for all, and, for all pairs, what comes of it in simulated machines
	@GPU_READY_THOROUGH=1 GPU_READY_MATRIX=1 $(PYTEST) -q tests/matrix $(ARGS)

bench: setup  ## the figures of the README, measured here
	@$(PY) -m bench

bench-hosts: dev  ## a stack of 100 hosts against as many bare resources; minutes
	@$(PY) -m bench --hosts

docs: setup  ## what is generated from the settings, made anew
	@$(PY) -m docs.generate

# A file keeps its versions unless its .in asks for others; with UPGRADE=--upgrade all move to the newest.
LOCKS := $(patsubst %.in,%.txt,$(wildcard requirements*.in))
COMPILE = $(PY) -m uv pip compile -q --universal --python-version 3.10 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE)

lock: setup $(LOCKS)  ## the pinned requirements, made anew from requirements*.in
requirements-lab.txt requirements-gke.txt requirements-aws.txt: requirements-core.txt
requirements.txt: requirements-gke.txt requirements-aws.txt
requirements-dev.txt: requirements-lab.txt
$(LOCKS): %.txt: %.in FORCE
	@$(COMPILE) $(patsubst %,-c %,$(filter %.txt,$^)) $< -o $@

lab-setup: dev  ## Debian packages, programs and images for the lab of real parts (root, Go)
	@$(PY) -m lab.real setup

lab: dev  ## the lab of real parts: brings it up, makes a stack ready, leaves it to look around
	@$(PY) -m lab.real up

lab-down:  ## ends it
	@$(PY) -m lab.real down

lab-test: lab-setup  ## the tests against real parts; writes docs/tested.md
	@GPU_READY_TESTED=docs/tested.md $(PY) -m pytest -n $(LAB_WORKERS) --dist load --maxschedchunk 1 --durations 15 $(ARGS) tests/lab

clean:  ## removes what these lines made: .venv, caches, the rehearsal's state
	@rm -rf .venv .lab .coverage .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
