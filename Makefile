# `make demo` and `make test` work on a fresh machine with Python >= 3.10: they make .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed
DEV_STAMP = $(VENV)/.installed-dev
COVERAGE_FLOOR = 96

.PHONY: install demo staged test test-fast coverage lint docs bench clean

install: $(STAMP)

# A stamp holds the checkout that is installed; any other checkout is installed again. The demo needs no extras.
ifneq ($(shell cat "$(STAMP)" 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif
ifneq ($(shell cat "$(DEV_STAMP)" 2>/dev/null),$(CURDIR))
.PHONY: $(DEV_STAMP)
endif

PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable

$(STAMP): pyproject.toml requirements.txt setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) .
	echo "$(CURDIR)" > $(STAMP)

$(DEV_STAMP): pyproject.toml requirements.txt setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) '.[dev]'
	echo "$(CURDIR)" > $(STAMP)
	echo "$(CURDIR)" > $(DEV_STAMP)

demo: $(STAMP)
	$(BIN)/s2hand demo --out runs/demo

staged: $(STAMP)
	$(BIN)/s2hand staged configs/Synthetic

test: $(DEV_STAMP)
	$(BIN)/python -m pytest

test-fast: $(DEV_STAMP)
	$(BIN)/python -m pytest -m "not slow"

# Not part of `test`: tracing every line makes the suite slower by more than a tenth.
coverage: $(DEV_STAMP)
	$(BIN)/python -m pytest --cov --cov-report=term --cov-fail-under=$(COVERAGE_FLOOR)

lint: $(DEV_STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# A broken link or a faulty docstring is an error. The site opens from the disk: build/site/index.html
docs: $(DEV_STAMP)
	$(BIN)/mkdocs build --strict

bench: $(DEV_STAMP)
	for file in $(filter-out benchmarks/cuda.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .mypy_cache .coverage
