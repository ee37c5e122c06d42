# Everything a person or CI runs. Needs Python 3.11 or newer, git and make; `make up` is the way in.

PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := .venv/bin
PROTOS := $(shell find protos -type f)
ARGS ?=

.PHONY: up setup gen check-gateway

up: setup  ## start everything: make up ARGS="--port 9000 --data-dir DIR"
	@$(BIN)/perdure up $(ARGS)

setup: .venv/.setup  ## prepare .venv and the generated code

.venv/.setup: requirements.lock pyproject.toml $(PROTOS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Perdure needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing dependencies (a minute or two, the first time) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock
	@echo "Generating code from protos ..."
	@$(MAKE) --no-print-directory gen
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-build-isolation --no-deps -e .
	@touch $@

gen:  ## make gen/ from protos
	@$(BIN)/python protos/generate.py

check-gateway: setup  ## have Envoy read its configuration
	@$(BIN)/perdure check-gateway
