"""Pages that run a model in the browser: their runtime, a server, and what NumPy expects of their pictures."""

import json
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core.images import to_float, to_uint8
from alae_core.streams import sample_prior
from alae_workbench.exports.runtime import copy_runtime
from alae_workbench.exports.serving import make_server

TABS = ["sample", "reconstruct", "mix", "interpolate", "edit"]


def copy_runtime_or_skip(folder):
    """Write ONNX Runtime Web to a folder and return it; skip the test if it is not cached and cannot be downloaded."""
    try:
        copy_runtime(folder)
    except alae.AlaeError as error:
        pytest.skip(str(error))
    return folder


@contextmanager
def serving(site):
    """Serve the files of a page, and return its address."""
    server, address = make_server(site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()
    server.server_close()


def load_functions(site):
    """Return F, G and E as functions of NumPy arrays, run by ONNX Runtime."""
    import onnxruntime

    def make(name):
        session = onnxruntime.InferenceSession(site / "model" / f"{name}.onnx")
        names = [port.name for port in session.get_inputs()]
        return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]

    return {name: make(name) for name in "FGE"}


def read_details(site):
    """Return the page's own data."""
    return json.loads((site / "model" / "page.json").read_text("utf-8"))


def map_seed(model, seed):
    return model["F"](sample_prior(1, 64, seed=seed))


def read_example(site, index, size=32):
    row = np.asarray(Image.open(site / "model" / "examples.png"))
    return to_float(row[:, size * index : size * (index + 1)])[None]


def assert_same_picture(found, expected):
    """The page rounds to grey levels as `to_uint8` does, of numbers that differ in the last digits."""
    assert np.abs(found.astype(int) - to_uint8(expected[0]).astype(int)).max() <= 1


def assert_tabs_have_no_errors(browser, query=""):
    for tab in TABS:
        browser.follow(f"#{tab}{query}")
        assert browser.run("return document.getElementById('error').hidden"), tab
    assert browser.read_errors() == []
