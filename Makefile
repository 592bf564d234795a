.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow check format docs clean

# One thread per process: tests run in parallel, and sums keep their order.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

define DEMO
.venv/bin/gendsl fit examples/varying_intercepts/model.gen --data examples/varying_intercepts/data.csv --seed 1 --chains 4 --out demo-run
.venv/bin/gendsl plot demo-run
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gendsl needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(STAMP) ## fit an example and plot the result
	$(DEMO)

test: $(STAMP) ## run the tests, without the slow ones
	$(BIN)/pytest -n 2 --dist worksteal -q -m "not slow"

test-slow: $(STAMP) ## run the slow tests
	$(BIN)/pytest -n 2 --dist worksteal -q -m slow

check: $(STAMP) ## lint, formatting, types, import contracts, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_house_rules.py

format: $(STAMP) ## format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP) ## write the generated reference pages
	$(BIN)/python -m gendsl.inspection.reference

clean: ## remove caches, builds and the demo's result (keeps .venv)
	rm -rf build dist demo-run .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
