# Every target makes .venv and installs what it needs there first, from nothing but Python and a
# package index. PYTHON=... takes an interpreter of your own.
find_python = for name in python3.11 python3.12 python3.13 python3; do \
    $$name -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
    2>/dev/null && echo $$name && break; done
PYTHON ?= $(shell $(find_python))
VENV := .venv
PY := $(VENV)/bin/python
WORKERS ?= 2
# Many images set it: each process of the tests would compile torch and diffusers anew, 20 s.
export PYTHONDONTWRITEBYTECODE :=
# --no-compile: of all that is installed little is ever imported, and Python compiles that itself
PIP := $(PY) -m pip install --quiet --no-compile --disable-pip-version-check \
       --constraint constraints.txt

.PHONY: help install evaluate train-demo test test-slow check format golden notebooks docs clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(PY):
	@if [ -z "$(PYTHON)" ]; then \
	    echo "error: no Python 3.11, 3.12 or 3.13 that can make environments was found" >&2; \
	    echo "  next: install one with its venv (Debian: apt install python3-venv), or say make PYTHON=FILE" >&2; \
	    exit 1; fi
	@echo "taking $$($(PYTHON) --version), $$(command -v $(PYTHON))"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.extra_%: pyproject.toml constraints.txt | $(PY)
	$(PIP) --editable '.[$*]'
	@touch $@

.PRECIOUS: $(VENV)/.extra_%
MODEL := $(VENV)/.extra_model
TRAIN := $(VENV)/.extra_train
DEV := $(VENV)/.extra_dev
DOCS := $(VENV)/.extra_docs

install: $(DEV) ## make .venv with the pinned dependencies, tools included

evaluate: $(MODEL) ## score agent=reworld (and four baselines) on two towns that nobody learned from
	$(PY) run_pdm_score.py agent=reworld model=small train_test_split=town6_test_wide \
	    'beside=[constant_velocity,ego_status_mlp_town6,pdm_closed,human]'

train-demo: $(TRAIN) ## retrain the shipped tiny weights on the embedded split
	$(PY) train/train_demo.py

test: $(DEV) ## run the test suite, in two processes (WORKERS=8: in eight)
	$(PY) -m pytest -m "not slow" --numprocesses $(WORKERS) --dist worksteal

test-slow: $(DEV) ## run the tests that take long (marked slow), as every night
	$(PY) -m pytest -m slow --numprocesses $(WORKERS) --dist worksteal

check: $(DEV) ## lint, formatting, types, arrows, sizes, claims
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) -m tests.check_sizes
	$(PY) -m tests.check_claims

format: $(DEV) ## let ruff fix what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

golden: $(DEV) ## rewrite tests/golden from the current code (read the diff before you commit it)
	$(PY) -m tests.golden.make

notebooks: $(DEV) ## run the notebooks and render them into docs/notebooks
	TQDM_DISABLE=1 PYTHONWARNINGS=ignore $(PY) -m nbconvert --to markdown --execute --output-dir docs/notebooks notebooks/*.ipynb

docs: $(DOCS) ## build the documentation site into site/; a broken link fails
	$(PY) -m reworld_agent.cli.reference > docs/commands.md
	$(PY) -m zensical build --strict

clean: ## remove the venv and every cache inside the checkout
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info outputs site .cache
