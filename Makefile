# Everything a person or CI runs. Needs Python 3.11 or newer, git and make; `make up` is the way in.

PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
SOURCES_OF_GEN := $(shell find protos services/contract -name '*.py' -o -name '*.proto')
ARGS ?=
MINUTES ?= 20
SEEDS ?= 10000
FIRST ?= 0
SEED ?= 1

define PLATFORM_CHECK
import platform as p, sys
if sys.version_info < (3, 11): sys.exit("Perdure needs Python 3.11 or newer, not " + p.python_version())
if p.system() != "Linux" or p.machine() not in ("x86_64", "aarch64") or p.libc_ver()[0] != "glibc":
    sys.exit("Perdure needs Linux with glibc on x86-64 or arm64, not " + p.platform())
endef
export PLATFORM_CHECK

.PHONY: up setup gen check check-gateway fmt test bench chaos simulate soak

up: setup  ## start everything: make up ARGS="--port 9000 --data-dir DIR"
	@$(BIN)/perdure up $(ARGS)

setup: .venv/.setup  ## prepare .venv and the generated code

.venv/.installed: requirements.lock
	@$(PYTHON) -c "$$PLATFORM_CHECK"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@echo "Installing dependencies (a minute or two, the first time)"
	@$(PIP) $(if $(wildcard .venv/.setup),--quiet) -r requirements.lock
	@touch $@

.venv/.setup: .venv/.installed pyproject.toml $(SOURCES_OF_GEN)
	@echo "Generating code"
	@$(MAKE) --no-print-directory gen
	@PYTHONWARNINGS=ignore $(PIP) --quiet --no-build-isolation --no-deps --editable .
	@touch $@

gen:  ## make gen/ anew
	@$(BIN)/python protos/generate.py

check-gateway: setup  ## have Envoy read its configuration
	@$(BIN)/python gateway/check.py

check: check-gateway  ## formatting, lint, types, protos, gateway, import arrows, routes
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/buf lint
	@$(BIN)/python protos/check_breaking.py
	@$(BIN)/python -m pytest -q tests/test_architecture.py

fmt: setup  ## format everything
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

test: setup  ## run every test: make test ARGS="-k name"
	@$(BIN)/python -m pytest $(ARGS)

chaos: setup  ## attack a whole stack; again in the same way: make chaos SEED=7 ARGS="-k r1"
	@CHAOS_FULL=1 CHAOS_SEED=$(SEED) $(BIN)/python -m pytest tests/chaos $(ARGS)
	@$(if $(ARGS),,$(MAKE) --no-print-directory simulate)

simulate: setup  ## play interleavings of the turn protocol: make simulate SEEDS=10000 FIRST=0
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

soak: setup  ## work for a while and look at what grows: make soak MINUTES=20
	@$(BIN)/python -m bench.soak --minutes $(MINUTES) $(ARGS)

bench: setup  ## measure a whole stack against a local fake provider
	@$(BIN)/python -m bench
