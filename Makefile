# `make train` and `make test` need Python 3.11 or newer, make and a package index; nothing else.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# two processes; a file's tests, which may share something dear, stay in one
SHARED := -q -n 2 --dist loadfile
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# how many tests look for what hostile input does
FUZZERS = $(shell cat tests/fuzz/test_*.py | grep -c '^def test_')

.PHONY: train test fuzz lint conform ablation benchmark clean

# Train the default model: real 8×8 digits, on JAX.
train: $(VENV)/.train
	$(BIN)/alae train --backend jax

# Every test, on all three backends, each in a process of its own.
test: $(VENV)/.test
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(SHARED)
	KERAS_BACKEND=torch $(BIN)/python -m pytest $(SHARED) tests/core tests/backends
	KERAS_BACKEND=tensorflow $(BIN)/python -m pytest $(SHARED) tests/core tests/backends

# An hour of hostile input, shared by all fuzzers.
fuzz: $(VENV)/.test
	ALAE_FUZZ=$$((3600 / $(FUZZERS))) KERAS_BACKEND=torch $(BIN)/python -m pytest -q tests/fuzz

# Style, types and the direction of imports.
lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The conformance suite on all three backends: a table here, and reports as files.
conform: $(VENV)/.test
	$(BIN)/alae conform --backend jax --backend torch --backend tensorflow \
		--require float32:L3,float64:L3,bfloat16:L3 \
		--html reports/conformance.html --json reports/conformance.json \
		--junit reports/conformance.xml --badge reports/badge.json

# What reciprocity does, on embedded digits, for both families of networks: tables and figures in ablations/.
ablation: $(VENV)/.train
	$(BIN)/alae ablate reciprocity --backend jax --base digits-mlp --steps 1500 --seeds 0 --out ablations/digits-mlp
	$(BIN)/alae ablate reciprocity --backend jax --base digits-style --steps 500 \
		--set growth.levels.0.images=6400 --seeds 0 --out ablations/digits-style

# A training step, and looking at a model, beside the same mathematics written by hand; preparing and loading images
# beside bare loops.
benchmark: $(VENV)/.test
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.loader

clean:
	rm -rf $(VENV) reports .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(BIN)/pip pyproject.toml constraints.txt
	$(PIP) --editable '.[jax]'
	@touch $@

$(VENV)/.test: $(BIN)/pip pyproject.toml constraints.txt
	$(PIP) --editable '.[all,dev]'
	@touch $@ $(VENV)/.train
