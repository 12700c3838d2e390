# Needs Python 3.11 or newer and make. Everything else is installed into $(VENV).
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
WORKDIR ?= runs

.PHONY: demo test test-slow lint format docs clean

demo: $(VENV)/.demo  ## the whole story on embedded real data
	$(BIN)/rtickets demo --workdir=$(WORKDIR)

test: $(VENV)/.dev  ## the tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.dev  ## minutes-long checks
	$(BIN)/pytest -m slow

lint: $(VENV)/.dev  ## format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## rewrite the code in our format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.docs  ## the site, in site/: a warning, a dead link or a page in no menu fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build  # quiet, it would not count warnings

clean:  ## remove the environment, the site and all runs
	rm -rf $(VENV) $(WORKDIR) site

$(VENV)/.demo $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old; call make with PYTHON=python3.11 or newer"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	touch $@
