# Two commands matter: `make up` runs Tilth, `make test` proves it. The rest supports them.

SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do command -v $$p >/dev/null && $$p -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && echo $$p && break; done)
PORT ?= 8000
HOST ?= 127.0.0.1
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
EXTRA := $(if $(TRAINING),training,)

.PHONY: up worker-gpu demo test test-full lint format setup setup-demo setup-test setup-training blocklists clean

up: setup $(if $(TRAINING),setup-training)  ## run Tilth: http://127.0.0.1:8000
	@exec $(BIN)/python manage.py up --host $(HOST) --port $(PORT)

worker-gpu: setup-training  ## run training jobs on this machine, for the Tilth that DATABASE_URL and REDIS_URL name
	@exec $(BIN)/python manage.py worker --queues gpu

demo: setup-demo $(if $(TRAINING),setup-training)  ## run the sample through the whole product: curate, publish, rate; TRAINING=1: train
	@exec $(BIN)/python manage.py demo $(if $(WARC),--warc "$(WARC)")

test: setup-test  ## every behaviour at tiny size, under ten minutes
	@exec $(BIN)/python -m pytest -q -n 2 --dist loadgroup $(ARGS)

test-full: setup-test  ## the long journeys, load and fault campaigns as well
	@exec $(BIN)/python -m pytest -q -m "full or not full" $(ARGS)

lint: setup-test  ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run

format: setup-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.core
setup-demo: $(VENV)/.demo
setup-test: $(VENV)/.test
setup-training: $(VENV)/.training

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Tilth needs Python 3.11 or 3.12; install one, or say PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml requirements/constraints.txt requirements/no-deps.txt | $(BIN)/python
	@echo "Installing what Tilth needs into $(VENV) (a few minutes the first time)"
	$(PIP) install -q -c requirements/constraints.txt -e .
	$(PIP) install -q --no-deps -r requirements/no-deps.txt
	@touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) install -q -c requirements/constraints.txt -e ".[test,training]"
	@./platform/install_chromium.sh
	@touch $@

$(VENV)/.demo: $(VENV)/.core
	$(PIP) install -q -c requirements/constraints.txt -e ".[demo]"
	@./platform/install_chromium.sh
	@touch $@

$(VENV)/.training: $(VENV)/.core
	$(PIP) install -q -c requirements/constraints.txt -e ".[training]"
	@touch $@

blocklists: setup  ## fetch the URL blocklists (needs internet)
	$(BIN)/python manage.py fetch_blocklists

clean:
	rm -rf $(VENV) build dist *.egg-info
