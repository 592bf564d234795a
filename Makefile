.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-posteriors test-examples test-calibration test-coverage check format docs gallery bench-energy bench-flow bench-mcmc bench-tabular bench-train clean

# One thread per process: tests run in parallel, and sums keep their order.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := .bench/peers
PEERS_STAMP := .bench/.installed

define DEMO
.venv/bin/gendsl fit examples/varying_intercepts/model.gen --data examples/varying_intercepts/data.csv --seed 1 --chains 4 --out demo-run --overwrite
.venv/bin/gendsl plot demo-run
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test-posteriors: $(STAMP) ## compare posteriors with those of posteriordb, one at a time
	$(BIN)/pytest -q -m slow tests/posteriordb/test_posteriors.py

test-examples: $(STAMP) ## fit every example: known answers, and data drawn from the models
	$(BIN)/pytest -n 2 --dist worksteal -q tests/examples/test_examples.py tests/examples/test_simulated.py

test-calibration: $(STAMP) ## calibrate small models by simulation; goes on where it was stopped
	$(BIN)/pytest -q -s -m slow tests/calibration/test_calibrated.py

test-coverage: $(STAMP) ## whether intervals of the examples hold the truth as often as they say
	$(BIN)/pytest -q -s -m slow tests/calibration/test_coverage.py

check: $(STAMP) ## lint, formatting, types, import contracts, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_house_rules.py

format: $(STAMP) ## format the code and apply safe fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP) ## write the generated pages and diagrams
	$(BIN)/python -m gendsl.library.reference docs/reference
	$(BIN)/python -m gendsl.inspection.reference docs

gallery: $(STAMP) ## refit the examples that changed, and redraw the plots of the gallery
	$(BIN)/python examples/write_pictures.py
	$(BIN)/python -m gendsl.inspection.reference docs

$(PEERS_STAMP): benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	for peer in pystan "nutpie pymc numba" numpyro; do \
	  $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -c benchmarks/peers.txt $$peer setuptools \
	    || echo "$$peer cannot be installed here: it is left out"; \
	done
	touch $@

bench-mcmc: $(STAMP) $(PEERS_STAMP) ## effective draws a second beside PyStan, nutpie and NumPyro; ARGS="--models hmm"
	$(BIN)/python benchmarks/mcmc/run.py $(ARGS)

bench-energy: $(STAMP) ## training steps of energies beside hand-written torch
	$(BIN)/python benchmarks/energy/run.py $(ARGS)

bench-flow: $(STAMP) ## steps and draws of flows beside Zuko, of a masked network beside torch
	$(BIN)/python benchmarks/flow/run.py $(ARGS)

bench-tabular: $(STAMP) ## densities of scikit-learn's tables beside Gaussians, mixtures and Zuko
	$(BIN)/python benchmarks/flow/tabular.py $(ARGS)

bench-train: $(STAMP) ## rows per second of a trained autoencoder beside hand-written torch and Pyro
	$(BIN)/python benchmarks/train/run.py $(ARGS)

clean: ## remove caches, builds and the demo's result (keeps .venv)
	rm -rf build dist demo-run .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
