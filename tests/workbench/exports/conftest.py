"""Pages of the shipped model and of tiny models, and a browser that opens them."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers.browser import closing_browser
from tests.helpers.pages import copy_runtime_or_skip, load_functions, read_details, serving
from tests.helpers.python import run_python

#: exports pages of tiny models with random weights, whose examples are digits; one process imports PyTorch once
TINY_SITES = """
import os, sys
from pathlib import Path
os.environ["KERAS_BACKEND"] = "torch"
import numpy as np
import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.state import initial_state
from alae_workbench.exports.export import open_for_export
from alae_workbench.exports.page import export_page
from tests import conftest

style = {"image": [8, 8, 1], "networks__truncation_layers": 2}
configs = {
    "labelled": conftest.tiny_config(image=[8, 8, 1], labels=10),
    "style": conftest.tiny_style_config(**style),
    "labelled-style": conftest.tiny_style_config(**style, labels=10),
}
backend = alae.load_backend("torch", "cpu", "float32")
for name, config in configs.items():
    model, rng = alae.build(config), np.random.default_rng(0)
    # Larger than at the start of training, so that pictures differ and noise has an effect.
    model.set_weights({key: value + rng.normal(0, 0.2, value.shape) for key, value in model.weights().items()})
    mean = None if model.w_mean is None else rng.normal(0, 0.5, 7).astype(np.float32)
    state = initial_state(config, model.updates, model.weights(), mean)
    training = {"data": "digits", "held_out": 30}
    write_checkpoint(Path(name, "run"), state, config, author=backend, run={"training": training})
    opened = open_for_export(Path(name, "run"), "onnx", lod=None if mean is None else 1)
    export_page(opened, Path(name, "site"), runtime=Path(sys.argv[1]))
"""


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    return copy_runtime_or_skip(tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="session")
def site(tmp_path_factory, runtime):
    """The page of the model that ships with alae, as files."""
    folder = tmp_path_factory.mktemp("page")
    run_python(["-m", "alae_cli", "export", "shipped", "site", "--format", "web", "--runtime", str(runtime)], folder)
    return folder / "site"


@pytest.fixture(scope="session")
def tiny_sites(tmp_path_factory, runtime):
    """The folder with the pages of three tiny models: `labelled`, `style` and `labelled-style`."""
    folder = tmp_path_factory.mktemp("tiny")
    run_python(["-c", TINY_SITES, str(runtime)], folder)
    return folder


@pytest.fixture(scope="session")
def address(site):
    with serving(site) as address:
        yield address


@pytest.fixture(scope="session")
def server_address(tmp_path_factory):
    """The page of the shipped model, which `alae demo --server` runs on PyTorch."""
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    folder = tmp_path_factory.mktemp("server")
    words = ["demo", "--server", "--no-browser", "--backend", "torch", "--device", "cpu"]
    environment = {key: value for key, value in os.environ.items() if key != "KERAS_BACKEND"}
    environment["TMPDIR"] = str(folder)
    command = [sys.executable, "-m", "alae_cli", *words]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next((line for line in process.stdout if line.startswith("http://")), None)
            assert line, "the server has not started"
            yield line.partition(" ")[0]
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert list(folder.glob("alae-demo-*")) == [], "the temporary page stays"


@pytest.fixture(scope="session")
def browser():
    with closing_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def model(site):
    return load_functions(site)


@pytest.fixture(scope="session")
def details(site):
    return read_details(site)
