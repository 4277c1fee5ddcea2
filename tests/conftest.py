"""Settings, sizes and functions that all tests share.

Keras runs on one framework per process. KERAS_BACKEND names it, and `make test` starts a process for each.
"""

import os
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from importlib.machinery import ModuleSpec
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import alae_core as alae
from alae_conformance.subjects.process import QUICK_COMPILATION
from alae_core.config import make_config

# Silence TensorFlow's start-up messages; this must come before its first import.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# `make conform PROFILE=full` checks optimized steps.
os.environ.setdefault("XLA_FLAGS", QUICK_COMPILATION)
# Parallel test processes share the cores, so threads of PyTorch would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Most tests compile the same few tiny steps; caching them halves the suite's time under JAX.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir(), "alae-tests-jax-cache")))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# Generate the same examples in every run, and don't fail on a busy machine.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

#: a model that trains in milliseconds; all sizes differ, so that a swapped axis raises an error
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
#: a conv model, of images that are not square
TINY_CONV = {
    "specification": 2,
    "description": "",
    "image": [8, 10, 2],
    "networks": {
        "family": "conv",
        "z": 5,
        "w": 7,
        "widths": [4, 3],
        "residual": 1,
        "hidden": 9,
        "F": {"hidden": [11], "pixel_norm": True},
        "D": {"hidden": [12]},
    },
    "batch_size": 6,
    "reciprocity": "both",
    "updates": "joint",
    "adam": {"learning_rate": 1e-3},
}
REPOSITORY = Path(__file__).parent.parent


# ---- selection of tests ----------------------------------------------------------------------------------------------


def pytest_addoption(parser):
    parser.addoption("--no-keras", action="store_true", help="run only the tests that don't import Keras: `make check`")


def pytest_configure(config):
    if config.getoption("--no-keras"):
        config.pluginmanager.register(WithoutKeras())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Mark the tests that run on each backend, and keep the tests of a file together unless they name a group."""
    for item in items:
        if ("backend" in _fixtures(item) and _folder(item.path) == "core") or _folder(item.path) == "backends":
            item.add_marker("each_backend")
        if _folder(item.path) == "across":
            item.add_marker("framework")
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.relative_to(REPOSITORY).as_posix()))
    if config.getoption("--no-keras"):
        marks = {"each_backend", "framework"}
        items[:] = [
            item
            for item in items
            if "backend" not in _fixtures(item) and not marks & {mark.name for mark in item.iter_markers()}
        ]


def _fixtures(item):
    return getattr(item, "fixturenames", ())


def _folder(path):
    """The folder of `tests` that holds a test module."""
    return path.relative_to(Path(__file__).parent).parts[0]


class WithoutKeras:
    """Skip what imports Keras. In tests/core that is an error: `make test` runs unmarked tests there on JAX alone."""

    def __init__(self):
        #: the test module that is imported or run
        self.path = None
        sys.meta_path.insert(0, self)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector):
        self.path = collector.path if isinstance(collector, pytest.Module) else None
        try:
            return (yield)
        finally:
            self.path = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        self.path = item.path
        try:
            return (yield)
        finally:
            self.path = None

    def find_spec(self, name, path=None, target=None):
        """See `importlib.abc.MetaPathFinder`."""
        return ModuleSpec(name, self) if name == "keras" else None

    def create_module(self, spec):
        """See `importlib.abc.Loader`."""
        if self.path is None:
            raise pytest.UsageError("a conftest.py imports Keras, for all tests: import it in a fixture")
        if _folder(self.path) == "core" and "\npytestmark = pytest.mark.each_backend\n" not in self.path.read_text(
            "utf-8"
        ):
            pytest.fail("imports Keras: mark it `each_backend`", pytrace=False)
        pytest.skip("imports Keras", allow_module_level=True)

    def exec_module(self, module):
        """See `importlib.abc.Loader`."""


# ---- models and images -----------------------------------------------------------------------------------------------


def tiny_config(**overrides):
    """The configuration of the tiny model; the keyword a__b sets the key a.b."""
    return alae.load_config("digits-mlp", overrides=TINY | {key.replace("__", "."): v for key, v in overrides.items()})


def tiny_style_config(**overrides):
    """The configuration of the tiny style model; the keyword a__b sets the key a.b."""
    return make_config(TINY_STYLE, {key.replace("__", "."): value for key, value in overrides.items()})


def tiny_conv_config(**overrides):
    """The configuration of the tiny conv model; the keyword a__b sets the key a.b."""
    return make_config(TINY_CONV, {key.replace("__", "."): value for key, value in overrides.items()})


def slow(*values):
    """The values of a test's parameter, each marked slow; a plain tuple holds values of several parameters."""
    groups = [value if type(value) is tuple else (value,) for value in values]
    return [pytest.param(*group, marks=pytest.mark.slow) for group in groups]


def random_images(count=6, shape=(4, 3, 2), seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


def content(path):
    """The bytes of every file in a directory, by relative path."""
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def call_alae(directory, *words):
    """Call `alae` in this process, from a directory; returns (exit code, stdout, stderr)."""
    # Imported here because the tests of the specification need no command line.
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
    """The backend that KERAS_BACKEND names."""
    return alae.load_backend(os.environ["KERAS_BACKEND"])
