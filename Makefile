# From a fresh clone with Python 3.11 and make, every target sets up what it needs by itself (in .venv, once).

.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
PY := $(VENV)/bin/python
# How many processes run the tests: 0 is none beside pytest's own, for a debugger. One that dies ends the run.
WORKERS := 2
PYTEST = $(PY) -m pytest -n $(WORKERS) --dist worksteal --max-worker-restart 0

.PHONY: help
help: ## Print this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: env ## Run the expense approval example through HTTP and go on serving it; ONCE=1 ends after the result
	@ONCE=$(ONCE) $(PY) examples/expense_approval_workflow/demo.py

.PHONY: test
test: env ## Run every test, after the unit tests on each other Python found; FAST=1 leaves those out, ARGS= goes to pytest, WORKERS=0 runs one test at a time
ifdef FAST
	@echo "== Other Pythons: left out, as FAST is set"
	@$(PYTEST) $(ARGS)
else
	@others=0; scripts/test-other-pythons $(VENV) || others=1; $(PYTEST) $(ARGS) && exit $$others
endif

.PHONY: check
check: lint types contracts sizes text test-quick ## Everything quick: lint, types, contracts, sizes, text, unit and surface tests

.PHONY: lint
lint: env ## Ruff: rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

.PHONY: format
format: env ## Write every file in the house's format
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format .

.PHONY: types
types: env ## Pyright, strict, over the package
	@$(VENV)/bin/pyright --pythonpath $(PY)

.PHONY: contracts
contracts: env ## Import-linter: who may import whom
	@$(VENV)/bin/lint-imports

.PHONY: sizes
sizes: env ## Print long files and functions; fail on those that are too long
	@$(PY) scripts/check_sizes.py

.PHONY: text
text: env ## Nothing in the repository points at one machine or one package registry
	@$(PY) scripts/check_text.py

.PHONY: test-quick
test-quick: env ## Unit and surface tests only
	@$(PYTEST) -q tests/unit tests/surface $(ARGS)

.PHONY: chaos
chaos: env ## The long forms: 20,000 seeds of the simulation, a crash at every write, real processes that are killed; SEED=17 replays one seed
ifdef SEED
	@$(PY) -m tests.scenario.simulation --seed $(SEED)
else
	@$(PY) -m tests.scenario.simulation --seeds 20000 --processes 2 $(ARGS)
	@PLANAR_LONG=1 $(PYTEST) -q tests/scenario/crashes
	@PLANAR_LONG=1 $(PY) -m pytest -q tests/scenario/faults
endif

.PHONY: bench
bench: env ## What an import costs, and the engine beside the bare databases and DBOS; ARGS= goes to both engines' programs
	@$(PY) benchmarks/import_time.py
	@$(PY) benchmarks/engine.py $(ARGS)
	@$(PY) benchmarks/contention.py
	@$(PY) benchmarks/files.py
	@$(PY) benchmarks/rules.py
	@$(PY) benchmarks/postgres.py $(ARGS)

.PHONY: bench-postgres
bench-postgres: env ## The engine on PostgreSQL only; ARGS="--flat --sleepers" for the long rows
	@$(PY) benchmarks/postgres.py $(ARGS)

.PHONY: record-surface
record-surface: env ## Write the public names of each package into tests/surface/recorded_all.toml
	@$(PY) scripts/record_surface.py

.PHONY: record-corpus
record-corpus: env ## Keep what this version records, for later versions to replay
	@$(PY) -m scripts.record_corpus

.PHONY: env
env: ## Make or mend the development environment in .venv
	@python=$$(PYTHON="$(PYTHON)" scripts/find-python) && "$$python" scripts/environment.py $(VENV) --extra dev

.PHONY: clean
clean: ## Remove the environments, caches and builds
	rm -rf .venv .venvs build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
