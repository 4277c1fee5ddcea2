"""Opening a model: options that do not apply are refused before a framework is imported."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alae_core import AlaeError, ArgumentError, View
from alae_core.checkpoint_writing import write_checkpoint
from alae_workbench.data.source import DataError
from alae_workbench.models.opening import OpenedModel, open_model
from alae_workbench.models.option_checks import check_options
from tests.conftest import tiny_config, tiny_style_config

STYLE = tiny_style_config()
MLP = tiny_config()


@pytest.mark.parametrize("options", [{"lod": 0}, {"psi": 1.0}, {"psi": [0.5]}, {"noise": "none"}, {"layers": True}])
def test_options_for_style_models_are_refused_for_other_models(options):
    (argument,) = options
    with pytest.raises(ArgumentError, match="is only for style models, but this model's networks are of") as caught:
        check_options(MLP, None, **options)
    assert caught.value.argument == argument
    check_options(STYLE, View(1), **options)


def test_an_option_that_is_not_given_is_never_refused():
    check_options(MLP, None, lod=None, psi=None, noise=None, label=None, layers=False, levels=False, method="svm")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lod": 2}, "lod is 2, but the model has the levels 0 … 1"),
        ({"lod": -1}, "lod is -1, but the model has the levels 0 … 1"),
        ({"psi": 1.5}, "psi is 1.5: it must lie in 0 … 1"),
        ({"psi": [0, 0.5, float("nan")]}, "psi is nan: it must lie in 0 … 1"),
        ({"label": 0}, "label is 0, but the model was trained without labels"),
        ({"layers": "fine"}, "layers is fine, but at 8×8 pixels there are coarse and middle styles only"),
        ({"layers": "middle", "lod": 0}, "layers is middle, but at 4×4 pixels there are coarse styles only"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        check_options(STYLE, View(1), **options)


@pytest.mark.parametrize("label", [-1, 3])
def test_only_labels_the_model_was_trained_with_are_accepted(label):
    config = tiny_config(labels=3)
    check_options(config, None, label=2)
    with pytest.raises(ArgumentError, match=f"label is {label}, but the model has the classes 0 … 2"):
        check_options(config, None, label=label)


def test_factorized_directions_need_a_style_model():
    check_options(STYLE, View(1), method="factorized")
    with pytest.raises(ArgumentError, match="method is factorized, which needs a style model"):
        check_options(MLP, None, method="factorized")


@pytest.fixture
def checkpoint(backend, tmp_path):
    import alae_core as alae
    from alae_core.state import initial_state

    model = alae.build(MLP)
    return write_checkpoint(tmp_path, initial_state(MLP, model.updates, model.weights(), None), MLP, author=backend)


def test_tasks_for_style_models_are_refused_for_other_models(checkpoint):
    with pytest.raises(AlaeError, match="style mixing needs a style model, but this model's networks are of"):
        open_model(checkpoint, style_task="style mixing")


def test_refusing_does_not_import_a_framework(checkpoint):
    code = f"""
import sys
from alae_core import ArgumentError
from alae_workbench.models.opening import open_model
try:
    open_model({str(checkpoint)!r}, psi=0.5)
except ArgumentError:
    print(*sorted({{"jax", "torch", "tensorflow", "keras"}} & sys.modules.keys()))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_images_of_a_run_are_found_from_every_directory(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "inputs" / "faces"
    folder.mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path / "inputs")
    path = tmp_path / "runs" / "one" / "checkpoints" / "step-00000001"

    def load(recorded):
        checkpoint = SimpleNamespace(path=path, run={"training": {"data": recorded, "held_out": 1}})
        return OpenedModel(SimpleNamespace(config=tiny_config(image=[8, 8, 1])), checkpoint, True).load_data()

    assert len(load("inputs/faces").train) == 3
    assert f"are read from {folder}" in capsys.readouterr().out
    assert len(load(str(folder)).train) == 3
    assert not capsys.readouterr().out
    advice = "give its place, or other images, with --data, or as SOURCE"
    with pytest.raises(DataError, match=f"none of that name beside the run: {advice}"):
        load("/elsewhere/cats")
