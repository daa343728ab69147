# Each of `make demo` and `make test` sets up all it needs on a fresh Debian or Ubuntu with python3, make and git.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INCIDENT ?=
DEMO_ARGS ?=
PYTEST_ARGS ?=
DEBIAN_TEST_PACKAGES := prometheus prometheus-alertmanager prometheus-pushgateway postgresql

.PHONY: demo test test-packages lint types generate check-generated prove figures real-data lock wheel clean

demo: $(VENV)/.runtime
	$(BIN)/labelmon demo $(if $(INCIDENT),--incident $(INCIDENT)) $(DEMO_ARGS)

test: $(VENV)/.dev test-packages
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

generate: $(VENV)/.runtime
	LABELMON_DEMO_FOLDER=demo-data $(BIN)/labelmon generate --config.file labelmon/demo/demo.yaml

check-generated: $(VENV)/.runtime
	LABELMON_DEMO_FOLDER=demo-data $(BIN)/labelmon generate --config.file labelmon/demo/demo.yaml --check

# Everything too heavy for every run; writes docs/proof.json, docs/proof.md and docs/alerts.md.
prove: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks.prove
	$(BIN)/python -m tests.benchmarks.alerts.page

# Which figures are older than the code they cover.
figures: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks.prove --stale

# What labelmon says of the public data sets in LABELMON_DATA: docs/real-data.md, its plots, the README's table.
real-data: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet -c constraints.txt --group docs
	$(BIN)/python -m tests.benchmarks.real_data_page

lock: $(VENV)/.dev
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --no-header --no-annotate pyproject.toml --group tests --group typing --group lint --group build --group docs -o constraints.txt

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel --no-isolation

clean:
	rm -rf $(VENV) dist demo-data .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "labelmon needs Python 3.11 or later; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); sh tools/debian-packages python3-venv && $(PYTHON) -m venv $(VENV); } \
	  || { echo "cannot make a virtual environment: install the package python3-venv"; exit 1; }

$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt --group tests --group typing --group lint --group build
	@touch $@

test-packages:
	@sh tools/debian-packages $(DEBIAN_TEST_PACKAGES) \
	  || echo "WARNING: without $(DEBIAN_TEST_PACKAGES) some tests are skipped; the end of the run lists them"
