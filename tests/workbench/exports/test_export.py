"""Exported models: run without alae, and compared with it."""

import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.exports import formats
from alae_workbench.exports.export import check_export, export_model, open_for_export
from alae_workbench.exports.page import judge_size
from tests.conftest import slow
from tests.helpers.python import run_python

needs_onnx = pytest.mark.skipif(
    any(find_spec(package) is None for package in formats.FORMATS["onnx"].packages),
    reason="the extra [export] is not installed",
)
#: exports a tiny model, in a process of the backend that writes the format
SCRIPT = """
import os, sys
from pathlib import Path
kind, format = sys.argv[1:]
from alae_workbench.exports.formats import FORMATS
os.environ["KERAS_BACKEND"] = FORMATS[format].backend
import alae_core as alae
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.state import initial_state
from alae_workbench.exports.export import export_model, open_for_export
from tests import conftest

config, options = {
    "mlp": (conftest.tiny_config(labels=3, precision="float64"), {}),
    "conv": (conftest.tiny_conv_config(), {"functions": ["G", "reconstruct"]}),
    "style": (conftest.tiny_style_config(), {"functions": ["generate", "E"], "noise": "input"}),
}[kind]
backend = alae.load_backend(FORMATS[format].backend, "cpu", config.precision)
model = alae.build(config)
state = initial_state(model.config, model.updates, model.weights(), model.mean_of_w())
write_checkpoint(Path("run/checkpoints"), state, config, author=backend)
opened = open_for_export(Path("run"), format, lod=1 if kind == "style" else None)
export_model(opened, Path("out"), format, credit="mine", **options)
"""


def export_tiny(folder, kind, format):
    """Export a tiny model to `folder`/out, and return its description."""
    run_python(["-c", SCRIPT, kind, format], folder)
    return json.loads((folder / "out" / "export.json").read_text("utf-8"))


@needs_onnx
@pytest.mark.framework
@pytest.mark.parametrize("kind", ["mlp", *slow("conv", "style")])
def test_onnx_files_compute_what_the_model_does_without_alae(tmp_path, kind):
    description = export_tiny(tmp_path, kind, "onnx")
    out = tmp_path / "out"
    assert description["largest error"] <= 1e-5
    assert description["licence"] == "mine"
    # A script in its own folder, which imports neither alae nor Keras.
    shutil.move(out, tmp_path / "elsewhere")
    printed = run_python(
        [
            "-c",
            "import sys, runpy; sys.path.insert(0, '.')\n"
            "try: runpy.run_path('check.py', run_name='__main__')\n"
            "finally: print(sorted({name.split('.')[0] for name in sys.modules} & {'keras', 'torch', 'alae_core'}))",
        ],
        tmp_path / "elsewhere",
    )
    errors, imported = printed.strip().splitlines()
    assert imported == "[]"
    assert json.loads(errors).keys() == description["functions"].keys()

    import onnx

    for name, function in description["functions"].items():
        model = onnx.load(tmp_path / "elsewhere" / function["file"])
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert metadata["licence"] == "mine"
        assert metadata["classes"] == str(description["classes"])
        assert "[-1, 1]" in metadata["range"]
        assert str(model.opset_import[0].version) == description["written with"]["opset"]
        assert [port.name for port in model.graph.input] == [port["name"] for port in function["inputs"]], name
    if kind == "style":
        inputs = description["functions"]["generate"]["inputs"]
        assert [port["name"] for port in inputs] == ["z", "psi", "noise0", "noise1", "noise2", "noise3"]


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.parametrize(
    ("format", "kind"),
    [
        *((format, "style") for format in ("stablehlo", "torch", "saved_model", "litert")),
        # With labels, which are int32 there.
        ("stablehlo", "mlp"),
        # With reshaped batches of unknown length.
        ("saved_model", "conv"),
        ("litert", "conv"),
    ],
)
def test_other_formats_compute_what_the_model_does_without_alae(tmp_path, kind, format):
    description = export_tiny(tmp_path, kind, format)
    assert description["largest error"] <= 1e-5
    assert description["errors"].keys() == description["functions"].keys()


def test_an_export_that_computes_something_else_is_an_error(tmp_path):
    shutil.copy(formats.__file__.replace("formats.py", "scripts/check.py"), tmp_path)
    (tmp_path / "load.py").write_text("def load(folder, name):\n    return lambda x: 2 * x\n")
    np.savez(tmp_path / "check.npz", **{"double/0/x": np.ones(3), "double/0/expected": np.full(3, 2.0)})
    assert check_export(tmp_path) == {"double": 0.0}
    np.savez(tmp_path / "check.npz", **{"double/0/x": np.ones(3), "double/0/expected": np.full(3, 2.01)})
    with pytest.raises(alae.AlaeError, match=r"do not compute what the model does: .*double"):
        check_export(tmp_path)
    np.savez(tmp_path / "check.npz", **{"double/0/x": np.ones(3), "double/0/expected": np.full(4, 2.0)})
    with pytest.raises(alae.AlaeError, match=r"returns the shape \(3,\) instead of \(4,\)"):
        check_export(tmp_path)


def test_packages_and_formats_that_are_missing_are_named(tmp_path, monkeypatch):
    with pytest.raises(alae.ArgumentError, match="format is tflite; it must be one of onnx"):
        open_for_export(tmp_path, "tflite")
    monkeypatch.setattr(formats, "find_spec", lambda package: None)
    with pytest.raises(alae.AlaeError, match=r"needs onnx, onnxscript, onnxruntime, .*pip install 'alae\[export\]'"):
        open_for_export(tmp_path, "onnx")


def test_an_existing_directory_is_not_overwritten(tmp_path):
    with pytest.raises(alae.AlaeError, match="exists already"):
        export_model(None, tmp_path, "onnx")


def test_networks_that_are_large_for_a_browser_are_named(tmp_path):
    (tmp_path / "model").mkdir()
    for size, note in ((5_400_000, None), (56_300_000, "the page loads networks of 56 MB, and may take seconds")):
        (tmp_path / "model" / "page.json").write_text(json.dumps({"networkBytes": size}))
        found = judge_size(tmp_path)
        assert found is None if note is None else (found.startswith(note) and "alae demo RUN --server" in found)
