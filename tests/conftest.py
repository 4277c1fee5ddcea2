"""What all tests share. Keras runs on one framework per process: KERAS_BACKEND says which; `make test` runs each."""

import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import alae_core as alae
from alae_core.config import make_config

# Quiet before TensorFlow is first imported: its start-up notices are no test's business.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# XLA takes longer to polish a tiny step than the step will ever run, and its newer emitters half as long again; what it
# makes of a polished one is what `make conform` looks at.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
# Most tests compile the same few tiny steps; compiling them once halves the suite's time under JAX.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir(), "alae-tests-jax-cache")))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# The same examples every time: what fails in CI fails at home. A busy machine is no failure.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

#: a model that trains in milliseconds: no two sizes are equal, so that a swapped axis cannot go unnoticed
TINY = {
    "image": [4, 3, 2],
    "networks.z": 5,
    "networks.w": 7,
    "networks.F.hidden": [11],
    "networks.G.hidden": [13, 9],
    "networks.E.hidden": [12, 10],
    "networks.D.hidden": [8],
    "batch_size": 6,
}
#: a style model of two levels, three steps at the first and four at the second
TINY_STYLE = {
    "specification": 2,
    "description": "",
    "image": [8, 8, 2],
    "networks": {"family": "style", "z": 5, "w": 7, "startf": 3, "maxf": 5, "mapping_layers": 2},
    "growth": {"levels": [{"images": 12, "batch_size": 4}, {"images": 20}]},
    "batch_size": 6,
    "adam": {"learning_rate": 1e-3},
}
REPOSITORY = Path(__file__).parent.parent


def tiny_config(**overrides):
    """The tiny model's configuration; keyword a__b stands for the key a.b."""
    return alae.load_config("digits-mlp", overrides=TINY | {key.replace("__", "."): v for key, v in overrides.items()})


def tiny_style_config(**overrides):
    """The tiny style model's configuration; keyword a__b stands for the key a.b."""
    return make_config(TINY_STYLE, {key.replace("__", "."): value for key, value in overrides.items()})


def random_images(count=6, shape=(4, 3, 2), seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def content(path):
    """Every file in a directory, by its place in there, and its bytes."""
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def call_alae(directory, *words):
    """Call `alae` with some words in a directory, in this process; returns (exit code, stdout, stderr)."""
    # Here, because the specification's tests need no command line.
    from alae_cli.app import main

    out, err, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(directory)
        patch.setattr(sys, "argv", ["alae", *map(str, words)])
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code or 0
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def backend():
    """The backend under test: the one KERAS_BACKEND names."""
    return alae.load_backend(os.environ["KERAS_BACKEND"])
