# Thin: each target calls one thing. `make help` lists them; docs/contributing.md says what each costs.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# --no-deps: a constraint file is the whole set, and nothing that it does not name is installed.
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps
PINNED := $(INSTALL) --require-hashes --build-constraints constraints/bootstrap.txt
# What is installed already is built anew all the same: uv does not see that a file has changed.
OWN := $(INSTALL) --no-build-isolation --reinstall-package mergesearch
BUILD := hatch_build.py merger_image/mergesearch_merger/kernel.c

.PHONY: help
help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One environment in two steps: `dev` holds what `local` holds, in the same versions, so it only adds to it.

$(VENV)/.bootstrap: constraints/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MergeSearch needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints/bootstrap.txt
	@touch $@

$(VENV)/.local: constraints/local.txt pyproject.toml $(BUILD) $(VENV)/.bootstrap
	$(PINNED) -r constraints/local.txt
	$(OWN) --editable .
	@touch $@

SHIM := evaluator_image/vllm_cpu_shim
$(VENV)/.dev: constraints/dev.txt pyproject.toml $(BUILD) $(wildcard $(SHIM)/*) $(VENV)/.bootstrap
	$(PINNED) -r constraints/dev.txt
	$(OWN) --editable . ./$(SHIM)
	@touch $@ $(VENV)/.local

.PHONY: local dev
local: $(VENV)/.local  ## Install what searches on this machine need into .venv
dev: $(VENV)/.dev  ## Install what the tests and checks need as well

.PHONY: demo
demo: $(VENV)/.local  ## Train a family of small models, search for their best merge, show the verdict
	$(BIN)/mergesearch demo

# For clusters with GPUs leave the arguments of the evaluator out: docs/operations.md.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
CPU := --build-arg REQUIREMENTS=constraints/evaluator-cpu.txt --build-arg SYSTEM_PACKAGES="libgomp1 libnuma1"
# A docker with the image store of containerd saves the default attestations incompletely, and kind cannot load that.
images: export BUILDX_NO_DEFAULT_ATTESTATIONS := 1
.PHONY: images
images:  ## Build the three images by docker, the evaluator for CPUs
	docker build --file operator/Dockerfile --tag mergesearch/operator:$(VERSION) .
	docker build --file merger_image/Dockerfile --tag mergesearch/merger:$(VERSION) .
	docker build --file evaluator_image/Dockerfile --tag mergesearch/evaluator:$(VERSION) $(CPU) .

# Where it cannot be installed, the tests that need it say so.
.PHONY: browser
browser:  ## A Chromium for the tests of the report, from Debian's packages where there is none
	@scripts/browser.sh || true

.PHONY: test test-fast test-vllm test-gpu e2e e2e-chaos coverage
# Each of the two has a control plane of its own; the tests of a file share what they have set up.
PYTEST_BY_TWO := $(BIN)/pytest --numprocesses 2 --dist loadfile
test: $(VENV)/.dev browser  ## Every test but those that start vLLM or run pods
	$(PYTEST_BY_TWO) -m "not vllm and not cluster and not gpu"

test-fast: $(VENV)/.dev browser  ## The tests without whole searches
	$(PYTEST_BY_TWO) -m "not vllm and not slow and not cluster and not gpu"

test-vllm: $(VENV)/.dev  ## The tests that start vLLM on the CPU
	$(BIN)/pytest -m vllm

test-gpu: $(VENV)/.dev  ## The tests that need a CUDA GPU
	$(BIN)/pytest -m gpu

e2e: $(VENV)/.dev  ## Real pods on a real cluster: that of KUBECONFIG, or one that is started here, as root on Linux
	$(BIN)/pytest -m "cluster and not chaos"

e2e-chaos: $(VENV)/.dev  ## A small search there and the quickstart, each in a storm: 20 operators and 10 pods are killed
	$(BIN)/pytest -m chaos -s

coverage: $(VENV)/.dev  ## Branches of the core that the unit tests do not reach
	$(PYTEST_BY_TWO) -m "not vllm and not slow and not gpu" --cov --cov-report=term-missing:skip-covered tests/unit

.PHONY: check format-check lint types layers fresh
check: format-check lint types layers fresh  ## Formatting, lint, types, layers, freshness of generated files

format-check: $(VENV)/.dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

fresh: $(VENV)/.dev
	$(BIN)/python scripts/generate.py --check

.PHONY: bench-merge
# BENCH="--inputs 2 --rounds 1" measures less; `--help` lists what can be chosen.
bench-merge: $(VENV)/.dev  ## The merger beside mergekit and the disk: time, memory, bytes, errors
	$(BIN)/python benchmarks/merge/run.py $(BENCH)

.PHONY: bench-search
bench-search: $(VENV)/.dev  ## Searches at equal budgets, on landscapes and on families that it trains: regret, gains
	$(BIN)/python benchmarks/search/run.py $(BENCH)

.PHONY: screenshot
screenshot: $(VENV)/.dev browser  ## The picture of the demo's report in docs/, after `make demo`
	$(BIN)/python scripts/screenshot.py

.PHONY: format generate lock
format: $(VENV)/.dev  ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

generate: $(VENV)/.dev  ## Write the generated files again
	$(BIN)/python scripts/generate.py

# LOCK="--upgrade" moves all pins, LOCK="--upgrade-package torch" one.
lock: $(VENV)/.bootstrap  ## Recompile the constraint files
	scripts/lock.sh $(LOCK)

.PHONY: clean clean-all
clean:  ## Remove caches and builds
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov dist build
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

clean-all: clean  ## Remove the environment, the demo and what benchmarks keep as well
	rm -rf $(VENV) .demo .bench-merge .bench-search merger_image/mergesearch_merger/*.so
