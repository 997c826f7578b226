# `make` lists the commands. All of them work from a fresh clone with Python, make and node.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# jlpm comes with the Python package jupyter-builder.
JLPM := cd labextension && PATH="$(CURDIR)/$(BIN):$$PATH" jlpm
FRONT_END := reson_jupyter/notebook/live/static/run_view.js
FRONT_END_SOURCES := $(wildcard labextension/src/*.ts labextension/src/run_view/* labextension/src/comparison/* labextension/src/sidebar/* labextension/src/sidebar/*/* labextension/style/* labextension/style/icons/*) \
	labextension/esbuild.mjs labextension/tsconfig.json labextension/tsconfig.build.json

# Tests without a browser and without real NVFlare.
QUICK := not ui and not nvflare and not slow
ALONE := ui or faults

.DEFAULT_GOAL := help
.PHONY: help venv demo test check lab bench scaleout python-tests front-end-tests

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) $(FRONT_END)  ## create .venv with the package, its extras and the linked JupyterLab extension

$(STAMP): pyproject.toml constraints.txt labextension/package.json labextension/yarn.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,demo,dev]'
	$(BIN)/jupyter-builder develop . --overwrite
	touch $@ $(FRONT_END)

$(FRONT_END): $(FRONT_END_SOURCES) | $(STAMP)
	$(JLPM) build

demo: venv  ## train a model on three sites over an S3 store and print the result
	$(BIN)/python notebooks/demo.py

# Scaleout's own packages, which the tests of reson_jupyter.edge are held against; they need versions of others that ours does not.
SCALEOUT := .venv-scaleout/.installed

scaleout: $(SCALEOUT)  ## install Scaleout's own packages beside .venv, for the tests that compare with them

$(SCALEOUT): tests/edge/scaleout-1.0.txt tests/edge/scaleout-1.1.txt
	tests/edge/install_scaleout.sh $(PYTHON) .venv-scaleout
	touch $@

test: venv front-end-tests python-tests  ## every test: Python, TypeScript, and in a real browser

front-end-tests: venv
	$(JLPM) check
	$(JLPM) test

# Most of a real run is waiting, so two of them share the cores; browsers and the fault table have time limits of their own.
python-tests: venv scaleout
	$(BIN)/python -m pytest -n auto --dist worksteal -m "$(QUICK)"
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not ($(QUICK)) and not ($(ALONE))"
	RESON_TEST_CHROMIUM="$$(tests/ui/ensure_chromium.sh)" $(BIN)/python -m pytest -m "$(ALONE)"

check: venv scaleout  ## ruff, mypy, tsc and the quick tests: no browser, no real NVFlare
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(JLPM) check
	$(JLPM) test
	$(BIN)/python -m pytest -n auto --dist worksteal -m "$(QUICK)"

lab: venv  ## open JupyterLab with the extension
	$(BIN)/jupyter lab notebooks

bench: venv  ## run every benchmark
	set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file"; done
