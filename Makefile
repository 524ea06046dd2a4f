# Everything needs Python 3.11 to 3.14 and make; the environment lives in .venv.
PYTHON ?= python3
BIN := .venv/bin
RUNS := .venv/.runs
TESTS := .venv/.tests
DOCS := .venv/.docs
EXAMPLES := tests/experiments/test_public_interface.py::test_examples_of_docstrings_run
# One thread a process, since there is one a core; and what is compiled is kept, whatever the environment says.
ALONE := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-browser lint bench docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(RUNS): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing what a run needs into .venv: about a minute"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(TESTS): $(RUNS)
	@echo "Installing what the tests need into .venv: about a minute"
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

$(DOCS): $(RUNS)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

run: $(RUNS) ## simulate a week of the reference scenario under two schemes
	$(BIN)/tandem run reference --scheme multilevel-03 --scheme central-01 --out runs/reference --overwrite

test: $(TESTS) ## run the tests, one process a core
	$(ALONE) $(BIN)/python -m pytest -q -n auto --dist worksteal

test-all: $(TESTS) ## run the tests and the long walks that `make test` leaves out
	$(ALONE) $(BIN)/python -m pytest -q -n auto --dist worksteal -m 'not browser and not pages'

test-browser: $(TESTS) $(DOCS) ## open reports and the site in Chromium (apt-get install chromium); says so where there is none
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(ALONE) $(BIN)/python -m pytest -q -rs -m browser tests/browser

lint: $(TESTS) ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(TESTS) ## measure speed beside limits measured in the same run
	$(ALONE) $(BIN)/python -m tandem_sim.experiments.bench

docs: $(TESTS) $(DOCS) ## build the documentation as a site into build/site, run its notebooks, code blocks and examples
	$(ALONE) $(BIN)/python -m sphinx -q -W --keep-going -b html -c docs/site . build/site
	$(ALONE) $(BIN)/python -m pytest -q -n auto --dist worksteal -m 'not long' tests/test_blocks_of_pages.py $(EXAMPLES)

clean: ## remove the environment, caches and run folders
	rm -rf .venv build dist runs ./*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
