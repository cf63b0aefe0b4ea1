# Everything a fresh machine needs: Python 3.11+ and this file.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cksum pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

.PHONY: demo test test-ray lint install system clean

demo: install            ## a real search, its Pareto front, and the knee exported to codesign-demo/
	$(BIN)/python -m codesign.demo

# Browser, database and kill tests share the cores with the rest: what fails beside others is tried once more alone.
test: install system lint    ## the whole suite
	$(BIN)/python -m pytest -n 2 || $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

# Apart from the suite: Ray is 70 MB to fetch, 300 MB on disk, and its nodes take half a minute to come up.
test-ray: install system  ## a real Ray cluster of two nodes, killed and cut in the middle of a search
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[ray]'
	$(BIN)/python -m pytest tests/codesign/search/test_ray.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev,postgresql]'
	rm -f $(VENV)/.installed-*; touch $@

# Debian's Chromium (browser tests) and PostgreSQL (storage tests), where they may be installed; tests skip what is missing.
system:
	@command -v chromium >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 \
	  || { apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu-core postgresql >/dev/null; } \
	  || echo "Chromium or PostgreSQL could not be installed: the tests that need them will be skipped"
	@test -f node_modules/axe-core/axe.min.js || npm install --no-save --no-package-lock --silent axe-core@4.14.1 >/dev/null 2>&1 \
	  || echo "axe-core could not be installed: the rules of accessibility will not be tested"

clean:
	rm -rf $(VENV) build dist *.egg-info
