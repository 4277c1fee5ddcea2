# Every target needs Python 3.11 or newer, make and a package index; the first run sets up a virtual environment.

PYTHON  ?= python3
VENV    ?= .venv
JOBS    ?= 2
PROFILE ?= standard
BIN     := $(VENV)/bin
PIP     := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Parallel test processes. The tests of a file, or of an xdist_group, share a process and its fixtures. The order of
# collection starts with the longest groups: backends before core.
PYTEST  := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup --no-loadscope-reorder

.PHONY: train check test test-all test-light demo-test fuzz lint conform docs ablation benchmark gpu clean

# Train the default model on real 8×8 digits, with JAX.
train: $(VENV)/.train
	$(BIN)/alae train --backend jax

# Linters, type checks, and the tests that do not import Keras.
check: $(VENV)/.test
	$(MAKE) --jobs 2 --output-sync=target lint test-light

# The tests on all three backends, except those marked slow.
test: $(VENV)/.test
	KERAS_BACKEND=jax $(PYTEST) -m "not slow"
	KERAS_BACKEND=torch $(PYTEST) -m "each_backend and not slow" tests/backends tests/core
	KERAS_BACKEND=tensorflow $(PYTEST) -m "each_backend and not slow" tests/backends tests/core

# Every test on all three backends, and a minute of hostile input.
test-all: $(VENV)/.test
	ALAE_FUZZ=60 KERAS_BACKEND=jax $(PYTEST)
	KERAS_BACKEND=torch $(PYTEST) -m each_backend tests/backends tests/core
	KERAS_BACKEND=tensorflow $(PYTEST) -m each_backend tests/backends tests/core

# The tests that do not import Keras.
test-light: $(VENV)/.test
	$(PYTEST) -r fE --no-keras -m "not slow" --ignore tests/backends --ignore tests/across

# The page of `alae demo` and the site in a headless Chromium; needs Debian's packages chromium and chromium-driver.
demo-test: $(VENV)/.test
	$(BIN)/python -m pytest -q -rs tests/workbench/exports/test_page.py \
		tests/workbench/exports/test_page_use.py tests/workbench/exports/test_page_files.py tests/test_site.py

# An hour of hostile input, shared by all fuzzers.
fuzz: $(VENV)/.test
	ALAE_FUZZ=3600 KERAS_BACKEND=torch $(BIN)/python -m pytest -q tests/fuzz

# Style, types and the import rules.
lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/mypy examples/fine_tuning.py examples/stacked_mnist.py

# The conformance suite on all three backends, in the profile PROFILE; reports in reports/.
conform: $(VENV)/.test
	$(BIN)/alae conform --backend jax --backend torch --backend tensorflow \
		--profile $(PROFILE) --require float32:L3,float64:L3,bfloat16:L3 \
		--html reports/conformance.html --json reports/conformance.json \
		--junit reports/conformance.xml --badge reports/badge.json

# The documentation site, in site/, with the page of `alae demo`; downloads ONNX Runtime Web from npm once.
docs: $(VENV)/.test
	$(BIN)/python docs/site/build.py site

# The effect of the reciprocity loss on embedded digits, for both network families; tables and figures in ablations/.
ablation: $(VENV)/.train
	$(BIN)/alae ablate reciprocity --backend jax --base digits-mlp --steps 1500 --seeds 0 --out ablations/digits-mlp
	$(BIN)/alae ablate reciprocity --backend jax --base digits-style --steps 500 \
		--set growth.levels.0.images=6400 --seeds 0 --out ablations/digits-style

# Times of training steps, inference and data loading, as ratios to hand-written code.
benchmark: $(VENV)/.test
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.step --preset mnist-conv
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.loader

# Smoke conformance, times and tests on one NVIDIA GPU, within ten minutes; results in reports/gpu. WHEELS is a folder of
# wheels for a machine without network (CONTRIBUTING.md).
gpu: $(if $(WHEELS),,$(VENV)/.test)
	$(if $(WHEELS),$(PYTHON),$(BIN)/python) -m benchmarks.gpu --out reports/gpu $(if $(WHEELS),--wheels $(WHEELS))

clean:
	rm -rf $(VENV) reports site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: $(BIN)/pip pyproject.toml constraints.txt
	$(PIP) --editable '.[jax]'
	@touch $@

$(VENV)/.test: $(BIN)/pip pyproject.toml constraints.txt
	$(PIP) --editable '.[all,dev,docs]'
	@touch $@ $(VENV)/.train
