# Everything a fresh machine needs: Python 3.11+ and this file.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed-$(shell cksum pyproject.toml constraints.txt | cksum | cut -d' ' -f1)

.PHONY: demo test lint install browser clean

demo: install            ## a real search, its Pareto front, and the knee exported to codesign-demo/
	$(BIN)/python -m codesign.demo

test: install browser lint    ## the whole suite
	$(BIN)/python -m pytest

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

browser:                 ## Debian's Chromium for the browser tests, where it can be installed
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu-core; } \
	  || echo "no Chromium: the browser tests will be skipped"

clean:
	rm -rf $(VENV) build dist *.egg-info
