# `make demo` shows what llmstats does; `make test` checks everything.  Each sets up what it needs, in either order.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Two processes, each file of tests in one of them, begun in order.  PYTEST_ARGS='' is one process, PYTEST_ARGS=tests/test_cli.py one file.
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip install --quiet --prefer-binary --disable-pip-version-check -c constraints.txt
DEMO := build/demo

.PHONY: help demo test lint format docs bench clean

help:
	@echo "make demo    ingest examples/work_dirs, show tables, draw a picture (light set-up)"
	@echo "make test    linters, types, layers, all tests, the wheel in an empty environment"
	@echo "make lint    linters, types and layers alone;  make format  rewrite to style"
	@echo "make docs    write the generated parts of the documents"
	@echo "make bench   the speed measurements of benchmarks/"
	@echo "make clean   remove .venv and build products"

# ---- environments: a stamp per set of packages, renewed when what they are made from changes

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3.11)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# In a checkout the install is always editable: a plain one would be shadowed by the folder llmstats/.
$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) "setuptools>=77"
	$(PIP) --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	$(PIP) --no-build-isolation -e '.[test]'
	$(PIP) --no-deps mmengine
	@touch $@

# ---- demo

show = @printf '\n$$ llmstats %s\n' '$(1)'; LLMSTATS_DB=$(DEMO)/demo.duckdb $(BIN)/llmstats $(1)

demo: $(VENV)/.base
	@rm -rf $(DEMO) && mkdir -p $(DEMO)
	$(call show,ingest examples/work_dirs)
	$(call show,sources)
	$(call show,runs)
	$(call show,query convergence)
	$(call show,query throughput)
	$(call show,query serving)
	$(call show,query results)
	$(call show,query coverage)
	$(call show,query mfu --model Llama-3-8B)
	$(call show,query compare --kind training)
	$(call show,query at --ttft 0.5 --statistic p50)
	$(call show,judge aichip/deepseek-v2-lite) || test $$? -ne 2
	$(call show,plot convergence -o $(DEMO)/convergence.png)
	@printf '\nThe picture is %s/convergence.png; the store is %s/demo.duckdb (any DuckDB client opens it).\n' \
		'$(CURDIR)/$(DEMO)' '$(DEMO)'

# ---- checks

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.base
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/session.py
	$(BIN)/python docs/pictures.py

bench: $(VENV)/.base
	$(BIN)/python benchmarks/ingest.py
	$(BIN)/python benchmarks/queries.py
	$(BIN)/python benchmarks/plots.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
